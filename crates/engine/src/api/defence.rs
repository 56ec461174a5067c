//! The defences of the commands by name, so that a test can take one away and show what it was for.
//!
//! In the product all of them stand: [`off`] is `false` at compile time. Deliberately not here: the defences themselves, each of
//! which is where it holds.

zhiyou_domain::defences! {
    /// No card number enters.
    CardNumbers = "no-card-numbers",
}

#[cfg(test)]
mod tests {
    use super::Defence;

    #[test]
    fn every_defence_of_the_commands_stands_in_the_table_of_faults() {
        let table = include_str!("../../../../docs/faults.md");
        for defence in Defence::ALL {
            assert!(table.contains(&format!("`{}`", defence.word())), "{defence:?}");
        }
    }
}
