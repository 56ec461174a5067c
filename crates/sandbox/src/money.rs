//! Amounts in fen and their decimal text on the wire, converted by integer arithmetic.
//!
//! Deliberately not here: other currencies. The sandbox's merchant accounts are in CNY.

/// The currency of every account here.
pub(crate) const CNY: &str = "CNY";

/// `123456` fen as `"1234.56"`.
pub(crate) fn text(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let fen = fen.unsigned_abs();
    format!("{sign}{}.{:02}", fen / 100, fen % 100)
}

/// `"20"`, `"20.0"` and `"20.00"` as 2000 fen; none when it is no amount of at most two decimals.
pub(crate) fn fen(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 2 || !digits(whole) || !digits(part) {
        return None;
    }
    let cents: i64 = format!("{part:0<2}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_survive_the_wire() {
        for amount in [0, 1, 9, 10, 99, 100, 2000, 123_456, i64::MAX / 1000] {
            assert_eq!(fen(&text(amount)), Some(amount));
        }
        assert_eq!([fen("20"), fen("20.0"), fen("20.00")], [Some(2000); 3]);
        assert_eq!(["", ".5", "1.005", "1,00", "-1", "1e3", "1.0.0"].map(fen), [None; 7]);
    }
}
