//! What an attempt of a mapped task has runs made for: the combinations of the values of its lists.

use minicbor::{Decode, Encode};
use porpoise_model::limits::MAPPED_LISTS_BYTES_MAX;

/// Elements, in order: the values of the last list change fastest. Only the lists are kept, not their product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Elements {
    /// Values by the name of the parameter that they become.
    #[n(0)]
    lists: Vec<(String, Vec<String>)>,
    /// How many elements there are.
    #[n(1)]
    count: u32,
    /// How many there would be if their number had no limit.
    #[n(2)]
    of: u64,
}

/// Values that are too long to be recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the lists of `for_each` are {0} bytes long together, more than {MAPPED_LISTS_BYTES_MAX}: let the elements be names of files, or numbers"
)]
pub struct ListsTooLong(pub usize);

impl Elements {
    /// The first `at_most` combinations of those that hold no value of `without`.
    ///
    /// # Errors
    /// The values that are left are longer than [`MAPPED_LISTS_BYTES_MAX`], each counted with one byte more.
    pub fn expand(
        mut lists: Vec<(String, Vec<String>)>,
        without: &[String],
        at_most: u32,
    ) -> Result<Self, ListsTooLong> {
        for (_, values) in &mut lists {
            values.retain(|value| !without.contains(value));
        }
        let values = lists.iter().flat_map(|(_, values)| values);
        let bytes: usize = values.map(|value| value.len() + 1).sum();
        if bytes > MAPPED_LISTS_BYTES_MAX {
            return Err(ListsTooLong(bytes));
        }
        let of = lists.iter().fold(1_u64, |product, (_, values)| {
            product.saturating_mul(u64::try_from(values.len()).unwrap_or(u64::MAX))
        });
        let count = u32::try_from(of).unwrap_or(u32::MAX).min(at_most);
        Ok(Self { lists, count, of })
    }

    /// How many there are.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How many combinations there are beyond the limit.
    pub fn cut(&self) -> u64 {
        self.of.saturating_sub(u64::from(self.count))
    }

    /// The names of the parameters, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lists.iter().map(|(name, _)| name.as_str())
    }

    /// The parameters of an element, counted from 0, in the order of the lists; none beyond the last one.
    pub fn get(&self, element: u32) -> Option<Vec<(&str, &str)>> {
        if element >= self.count {
            return None;
        }
        let mut rest = usize::try_from(element).ok()?;
        let mut values = Vec::with_capacity(self.lists.len());
        for (name, list) in self.lists.iter().rev() {
            let at = rest.checked_rem(list.len())?;
            rest = rest.checked_div(list.len())?;
            values.push((name.as_str(), list.get(at)?.as_str()));
        }
        values.reverse();
        Some(values)
    }
}

/// The items of a list in JSON as texts: what a text stands for, and all else as it is written, so that no digit of a
/// number is lost. `null` is an empty text. `None`: the text is no list in JSON.
pub fn json_items(text: &str) -> Option<Vec<String>> {
    let valid: Result<Vec<serde_json::Value>, _> = serde_json::from_str(text);
    valid.ok()?;
    let inside = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let (mut items, mut from) = (Vec::new(), 0);
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                items.push(item(inside.get(from..at)?)?);
                from = at + 1;
            }
            _ => {}
        }
    }
    let last = inside.get(from..)?;
    if !items.is_empty() || !last.trim().is_empty() {
        items.push(item(last)?);
    }
    Some(items)
}

fn item(text: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with('"') {
        serde_json::from_str(text).ok()
    } else if text == "null" {
        Some(String::new())
    } else {
        Some(text.to_owned())
    }
}

/// The values of a text with a separator between them, without space around them; empty ones are left out. With
/// `any_character` each character of the separator separates, as in `DolphinScheduler`.
pub fn separated(text: &str, separator: &str, any_character: bool) -> Vec<String> {
    let kept = |value: &&str| !value.trim().is_empty();
    let owned = |value: &str| value.trim().to_owned();
    if separator.is_empty() {
        let whole = Some(text).filter(kept);
        whole.map(owned).into_iter().collect()
    } else if any_character {
        let values = text.split(|c| separator.contains(c)).filter(kept);
        values.map(owned).collect()
    } else {
        text.split(separator).filter(kept).map(owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All combinations, one list after the other, and then those that are wanted.
    fn naive(
        lists: &[(String, Vec<String>)],
        without: &[String],
        at_most: usize,
    ) -> (usize, Vec<Vec<(String, String)>>) {
        let mut all = vec![Vec::new()];
        for (name, values) in lists {
            let with = |before: Vec<(String, String)>| {
                let longer = |value: &String| {
                    let mut longer = before.clone();
                    longer.push((name.clone(), value.clone()));
                    longer
                };
                values.iter().map(longer).collect::<Vec<_>>()
            };
            all = all.into_iter().flat_map(with).collect();
        }
        all.retain(|one| !one.iter().any(|(_, value)| without.contains(value)));
        let count = all.len();
        all.truncate(at_most);
        (count, all)
    }

    proptest! {
        #[test]
        fn elements_are_the_first_of_all_combinations_that_are_wanted(
            lists in prop::collection::vec(("[a-c]{2}", prop::collection::vec("[0-9]", 0..5)), 1..5),
            without in prop::collection::vec("[0-9]", 0..3),
            at_most in 1_u32..60,
        ) {
            let elements = Elements::expand(lists.clone(), &without, at_most).unwrap();
            let (count, wanted) = naive(&lists, &without, usize::try_from(at_most).unwrap());
            let owned = |one: Vec<(&str, &str)>| {
                let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                one.into_iter().map(owned).collect::<Vec<_>>()
            };
            let found: Vec<_> = (0..).map_while(|at| elements.get(at)).map(owned).collect();
            prop_assert_eq!(&found, &wanted);
            prop_assert_eq!(usize::try_from(elements.count()).unwrap(), wanted.len());
            prop_assert_eq!(usize::try_from(elements.cut()).unwrap(), count - wanted.len());
            let bytes = minicbor::to_vec(&elements).unwrap();
            prop_assert_eq!(minicbor::decode::<Elements>(&bytes).unwrap(), elements);
        }

        #[test]
        fn texts_come_out_of_a_list_in_json_as_they_went_in(
            texts in prop::collection::vec(any::<String>(), 0..6),
            space in "[ \n]{0,2}",
        ) {
            let quoted = texts.iter().map(|text| serde_json::to_string(text).unwrap());
            let list = quoted.collect::<Vec<_>>().join(&format!("{space},{space}"));
            let list = format!("{space}[{space}{list}{space}]{space}");
            prop_assert_eq!(json_items(&list), Some(texts));
        }
    }

    #[test]
    fn items_keep_their_digits_and_their_form() {
        let items = json_items(
            r#" [1.50, 12345678901234567890123, true, null, {"a": [1, 2]}, "x,]", [ ]] "#,
        );
        let wanted = [
            "1.50",
            "12345678901234567890123",
            "true",
            "",
            r#"{"a": [1, 2]}"#,
            "x,]",
            "[ ]",
        ];
        assert_eq!(items.unwrap(), wanted);
        for none in ["", "1", "{}", "[1", "[1,]", "[01]", "[] []", "a,b"] {
            assert_eq!(json_items(none), None, "{none}");
        }
        assert_eq!(json_items("[]"), Some(Vec::new()));
    }

    #[test]
    fn values_between_separators_lose_the_space_around_them_and_empty_ones_are_none() {
        assert_eq!(separated("a, b c,,d ", ",", false), ["a", "b c", "d"]);
        assert_eq!(separated("a, b c,,d ", ", ", false), ["a", "b c,,d"]);
        assert_eq!(separated("a, b c,,d ", ", ", true), ["a", "b", "c", "d"]);
        assert_eq!(separated(" a b ", "", true), ["a b"]);
        assert_eq!(separated("", ",", false), [""; 0]);
    }

    #[test]
    fn a_product_beyond_all_numbers_is_cut_and_lists_beyond_a_record_are_refused() {
        let list = |name: &str| (name.to_owned(), vec!["1".to_owned(); 500]);
        let lists: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "h"].map(list).into();
        let elements = Elements::expand(lists, &[], 1_024).unwrap();
        assert_eq!(elements.count(), 1_024);
        assert_eq!(elements.cut(), u64::MAX - 1_024);
        let long = vec![("a".to_owned(), vec!["x".repeat(40); 1_000])];
        assert_eq!(Elements::expand(long, &[], 9), Err(ListsTooLong(41_000)));
    }
}
