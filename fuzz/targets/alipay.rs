//! Drives the reader `alipay`.

fn main() {
    zhiyou_gateway::fuzzed::alipay(zhiyou_fuzz::drive);
}
