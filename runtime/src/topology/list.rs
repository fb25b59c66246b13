//! Lists of CPUs and nodes, as the kernel writes them.

/// No machine has numbers beyond this; a list that says so is nonsense, and would take memory for ever.
const HIGHEST: usize = 1 << 20;

/// The numbers of a list such as `0-3,8,10-11`.
pub(crate) fn parse(text: &str) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    for range in text.trim().split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        if first > last || last > HIGHEST {
            return None;
        }
        numbers.extend(first..=last);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Some(numbers)
}

/// A list in the kernel's form.
pub(crate) fn format(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let write = |&(first, last): &(usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.iter().map(write).collect::<Vec<_>>().join(",")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{format, parse};

    #[test]
    fn lists_of_processors() {
        assert_eq!(parse("0-3,8,10-11\n"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(parse("\n"), Some(vec![]));
        for nonsense in ["0-x", "3-0", "0-99999999999", "-1", "a"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for list in ["", "0", "0-3,8,10-11", "1,3,5"] {
            assert_eq!(format(&parse(list).unwrap()), list);
        }
    }
}
