//! Thresholds: how many distinct parties stand behind something (T-19).
//!
//! Whoever counts signatures, entries or timestamps counts what one party can make as often as it likes. What is
//! counted is therefore always *who*, and everybody once.

/// How many different items there are.
///
/// Quadratic, and nothing is stored: callers have at most some dozens of items, and no number of them is too large
/// to be counted right.
#[must_use]
pub fn count_distinct<I>(items: I) -> usize
where
    I: Iterator + Clone,
    I::Item: PartialEq,
{
    let counted = items.clone().enumerate();
    counted.filter(|(place, item)| !items.clone().take(*place).any(|earlier| earlier == *item)).count()
}

#[cfg(test)]
mod tests {
    use super::count_distinct;

    #[test]
    fn everybody_counts_once_wherever_they_stand() {
        for (items, count) in [
            (&[][..], 0),
            (&["a"], 1),
            (&["a", "a", "a"], 1),
            (&["a", "b", "a"], 2),
            (&["a", "b", "b", "c", "a", "c"], 3),
            (&["a", "A", ""], 3),
        ] {
            assert_eq!(count_distinct(items.iter()), count, "{items:?}");
        }
    }
}
