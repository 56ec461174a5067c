//! Drives the reader `duffel`.

fn main() {
    zhiyou_gateway::fuzzed::duffel(zhiyou_fuzz::drive);
}
