//! Drives the reader `wechatpay_envelope`.

fn main() {
    zhiyou_gateway::fuzzed::wechatpay_envelope(zhiyou_fuzz::drive);
}
