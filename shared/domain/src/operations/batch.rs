//! Packing events into calls of the bus, which takes so many entries and so many bytes at once.

/// Most entries of one `PutEvents` call.
pub const BATCH_ENTRIES: usize = 10;
/// Most bytes of one `PutEvents` call, and so of one event.
pub const BATCH_BYTES: usize = 256 * 1024;
/// What the bus counts for the time of an entry.
const TIME_BYTES: usize = 14;

/// The size of an event as the bus counts it.
#[must_use]
pub fn entry_bytes(source: &str, detail_type: &str, detail: &str) -> usize {
    TIME_BYTES + source.len() + detail_type.len() + detail.len()
}

/// Splits entries into batches that the bus takes, in their order.
///
/// An entry that is too large for any batch stands alone, so that it cannot take others down with it.
#[must_use]
pub fn batches<T>(entries: Vec<T>, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut batches: Vec<Vec<T>> = Vec::new();
    let mut open = 0;
    for entry in entries {
        let size = bytes(&entry);
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_ENTRIES && open + size <= BATCH_BYTES => {
                open += size;
                batch.push(entry);
            }
            _ => {
                open = size;
                batches.push(vec![entry]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(sizes: &[usize]) -> Vec<Vec<usize>> {
        batches(sizes.to_vec(), |size| *size)
    }

    #[test]
    fn ten_to_a_batch_in_their_order() {
        let sizes: Vec<usize> = (1..=23).collect();
        let batches = packed(&sizes);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 3]);
        assert_eq!(batches.concat(), sizes);
        assert!(packed(&[]).is_empty());
    }

    #[test]
    fn no_batch_is_larger_than_the_bus_takes() {
        const HALF: usize = BATCH_BYTES / 2;
        assert_eq!(packed(&[HALF, HALF, 1]), [vec![HALF, HALF], vec![1]]);
        assert_eq!(packed(&[HALF, HALF + 1, 1]), [vec![HALF], vec![HALF + 1, 1]]);
    }

    #[test]
    fn what_never_fits_stands_alone() {
        const HUGE: usize = BATCH_BYTES + 1;
        assert_eq!(packed(&[1, HUGE, 2]), [vec![1], vec![HUGE], vec![2]]);
    }

    #[test]
    fn the_bus_counts_every_part_of_an_entry() {
        assert_eq!(entry_bytes("tenantry.a", "a.b", "{}"), 14 + 10 + 3 + 2);
    }
}
