//! Drives the reader `alipayplus`.

fn main() {
    zhiyou_gateway::fuzzed::alipayplus(zhiyou_fuzz::drive);
}
