//! Drives the reader `screen`.

fn main() {
    zhiyou_engine::fuzzed::screen(zhiyou_fuzz::drive);
}
