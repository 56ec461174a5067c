//! Drives the reader `alipay_envelope`.

fn main() {
    zhiyou_gateway::fuzzed::alipay_envelope(zhiyou_fuzz::drive);
}
