//! Drives the reader `loopback`.

fn main() {
    zhiyou_engine::fuzzed::loopback(zhiyou_fuzz::drive);
}
