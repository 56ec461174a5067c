//! Statements about many rows at once, in few different texts, so that each is prepared once.
//!
//! Deliberately not here: tables.

/// Rows in one statement at most; a power of two. More save little, and finding the name of a placeholder takes the driver
/// longer the more there are.
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

/// `($1, $2), ($3, $4)`: the values of so many rows.
pub(super) fn values(rows: usize, columns: usize) -> String {
    let row = |row: usize| list(row * columns + 1, columns);
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// `($3, $4)`: so many values from the first on.
pub(super) fn list(first: usize, count: usize) -> String {
    let each: Vec<String> = (first..first + count).map(|number| format!("${number}")).collect();
    format!("({})", each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_exactly_one_chunk_and_has_values_of_its_own() {
        for length in [0, 1, 2, 3, 63, 64, 65, 200] {
            let rows: Vec<usize> = (0..length).collect();
            let cut: Vec<&[usize]> = chunks(&rows).collect();
            assert!(cut.iter().all(|chunk| chunk.len().is_power_of_two() && chunk.len() <= ROWS_MAX));
            assert_eq!(cut.concat(), rows);
        }
        assert_eq!(values(2, 3), "($1, $2, $3), ($4, $5, $6)");
    }
}
