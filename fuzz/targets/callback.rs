//! Drives the reader `callback`.

fn main() {
    zhiyou_engine::fuzzed::callback(zhiyou_fuzz::drive);
}
