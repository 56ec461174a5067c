//! Drives the reader `wechatpay`.

fn main() {
    zhiyou_gateway::fuzzed::wechatpay(zhiyou_fuzz::drive);
}
