//! Drives the reader `stripe_envelope`.

fn main() {
    zhiyou_gateway::fuzzed::stripe_envelope(zhiyou_fuzz::drive);
}
