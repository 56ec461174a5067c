//! Drives the reader `deep_link`.

fn main() {
    zhiyou_engine::fuzzed::deep_link(zhiyou_fuzz::drive);
}
