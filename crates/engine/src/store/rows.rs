//! Statements for many rows at once, in few different texts, so that each is prepared once.
//!
//! Deliberately not here: tables.

use sqlx::{Any, any::AnyArguments, query::Query};
use std::sync::{Arc, OnceLock};

/// Rows in one statement at most; a power of two. More save little, and finding the name of a placeholder takes the
/// driver longer the more there are.
const ROWS_MAX: usize = 16;

/// Cuts rows into chunks whose lengths are powers of two.
pub(super) fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let most = rows.len().min(ROWS_MAX);
        let length = if most == 0 { return None } else { 1 << most.ilog2() };
        let (chunk, rest) = rows.split_at_checked(length)?;
        rows = rest;
        Some(chunk)
    })
}

/// An insertion into a table, of one or more rows; the values are bound row by row.
pub(super) struct Insert {
    head: &'static str,
    columns: usize,
    tail: &'static str,
    /// The text for each power of two.
    texts: [OnceLock<Arc<str>>; TEXTS],
}

const TEXTS: usize = ROWS_MAX.ilog2() as usize + 1;

impl Insert {
    /// `head` up to the columns, how many these are, and what follows the values.
    pub(super) const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self { head, columns, tail, texts: [const { OnceLock::new() }; TEXTS] }
    }

    /// The statement for a chunk of rows.
    pub(super) fn of<'q, T>(&self, chunk: &[T]) -> Query<'q, Any, AnyArguments> {
        let write = || {
            let row = |row: usize| placeholders(row * self.columns + 1, self.columns);
            let values: Vec<String> = (0..chunk.len()).map(row).collect();
            format!("{} VALUES {} {}", self.head, values.join(", "), self.tail).into()
        };
        let power = usize::try_from(chunk.len().max(1).ilog2()).unwrap_or(TEXTS);
        let text = self.texts.get(power).map_or_else(write, |text| Arc::clone(text.get_or_init(write)));
        // Only numbers of placeholders are put into the text.
        sqlx::query(sqlx::AssertSqlSafe(text))
    }
}

/// `($1, $2, …)`.
pub(super) fn list(length: usize) -> String {
    placeholders(1, length)
}

fn placeholders(first: usize, count: usize) -> String {
    let each: Vec<String> = (first..first + count).map(|number| format!("${number}")).collect();
    format!("({})", each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_exactly_one_chunk_and_lengths_are_powers_of_two() {
        for length in [0, 1, 2, 3, 63, 64, 65, 200] {
            let rows: Vec<usize> = (0..length).collect();
            let cut: Vec<&[usize]> = chunks(&rows).collect();
            assert!(cut.iter().all(|chunk| chunk.len().is_power_of_two() && chunk.len() <= ROWS_MAX));
            assert_eq!(cut.concat(), rows);
        }
    }
}
