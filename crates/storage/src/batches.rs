//! Cutting many rows into statements that are worth keeping prepared.

/// Cuts `rows` into parts for one statement each: powers of two of them, at most `most`. A statement of many rows takes the
/// database longer to read than to do, and each number of rows is another statement: so there are few of them, which a
/// connection keeps.
pub fn batches<T>(rows: &[T], most: usize) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let largest = rest.len().min(most).checked_ilog2()?;
        let (batch, others) = rest.split_at_checked(1 << largest)?;
        rest = others;
        Some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_are_there_in_few_sizes() {
        let rows: Vec<usize> = (0..1000).collect();
        for count in [0, 1, 2, 3, 63, 64, 100, 1000] {
            let cut: Vec<&[usize]> = batches(&rows[..count], 200).collect();
            assert_eq!(cut.concat(), &rows[..count]);
            assert!(cut.iter().all(|batch| batch.len().is_power_of_two() && batch.len() <= 128), "{cut:?}");
        }
        assert_eq!(batches(&rows[..100], 200).map(<[_]>::len).collect::<Vec<_>>(), [64, 32, 4]);
    }
}
