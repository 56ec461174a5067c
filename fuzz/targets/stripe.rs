//! Drives the reader `stripe`.

fn main() {
    zhiyou_gateway::fuzzed::stripe(zhiyou_fuzz::drive);
}
