//! Drives the reader `paypal`.

fn main() {
    zhiyou_gateway::fuzzed::paypal(zhiyou_fuzz::drive);
}
