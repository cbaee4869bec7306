//! Pages of lists: bounded, in a fixed order, each with the cursor of the next.

use data_encoding::BASE32_NOPAD;
use porpoise_model::limits::LIST_PAGE_MAX;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;
use crate::time::short;

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// At most this many items: 1 to 500, 100 unless given.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<usize>,
    /// The `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
}

/// Items unless asked otherwise.
const LIMIT: usize = 100;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items, in the order of the list.
    pub(crate) items: Vec<T>,
    /// Where the next page begins; null: there is no more.
    pub(crate) next_cursor: Option<String>,
}

impl PageParams {
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT).clamp(1, LIST_PAGE_MAX)
    }

    /// The key after which the page begins.
    pub(crate) fn after(&self) -> Result<Option<String>, Problem> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let bytes = BASE32_NOPAD.decode(cursor.to_ascii_uppercase().as_bytes());
        let key = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        key.map(Some).ok_or_else(|| {
            Problem::bad_request(format!("`{}` is no cursor of this list", short(cursor)))
                .hint("take the `next_cursor` of the last page")
        })
    }

    /// The page of items that have unique keys.
    pub(crate) fn of<T>(
        &self,
        mut items: Vec<T>,
        key: impl Fn(&T) -> &str,
    ) -> Result<Page<T>, Problem> {
        items.sort_by(|a, b| key(a).cmp(key(b)));
        if let Some(after) = self.after()? {
            items.retain(|item| key(item) > after.as_str());
        }
        let more = items.len() > self.limit();
        items.truncate(self.limit());
        let next_cursor = items.last().filter(|_| more).map(|last| cursor(key(last)));
        Ok(Page { items, next_cursor })
    }

    /// The page of a list that is numbered downwards, so that what is put before its beginning moves nothing.
    pub(crate) fn below<T>(
        &self,
        mut items: Vec<T>,
        number: impl Fn(&T) -> u64,
    ) -> Result<Page<T>, Problem> {
        items.sort_by_key(|item| std::cmp::Reverse(number(item)));
        if let Some(below) = self.number()? {
            items.retain(|item| number(item) < below);
        }
        let more = items.len() > self.limit();
        items.truncate(self.limit());
        let last = items.last().filter(|_| more).map(&number);
        let next_cursor = last.map(|last| cursor(&last.to_string()));
        Ok(Page { items, next_cursor })
    }

    fn number<N: std::str::FromStr>(&self) -> Result<Option<N>, Problem> {
        let number = self.after()?.map(|after| after.parse());
        let number = number.transpose();
        number.map_err(|_| Problem::bad_request("this is the cursor of another list"))
    }

    /// The page of a numbered list: the numbers of its items, and the cursor of the next.
    pub(crate) fn numbers(
        &self,
        count: u32,
    ) -> Result<(std::ops::Range<u32>, Option<String>), Problem> {
        let from = count.min(self.number()?.unwrap_or(0));
        let limit = u32::try_from(self.limit()).unwrap_or(u32::MAX);
        let to = count.min(from.saturating_add(limit));
        Ok((from..to, (to < count).then(|| cursor(&to.to_string()))))
    }
}

pub(crate) fn cursor(key: &str) -> String {
    BASE32_NOPAD.encode(key.as_bytes()).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(limit: usize, cursor: Option<String>) -> PageParams {
        PageParams {
            limit: Some(limit),
            cursor,
        }
    }

    #[test]
    fn pages_together_are_the_list() {
        let names = ["d", "b", "a", "e", "c"];
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = at(2, cursor).of(names.to_vec(), |name| name).unwrap();
            assert!(page.items.len() <= 2);
            seen.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
        let (mut count, mut cursor) = (0, None);
        loop {
            let (range, next) = at(3, cursor).numbers(7).unwrap();
            count += range.len();
            match next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(count, 7);
    }

    #[test]
    fn a_made_up_cursor_is_refused() {
        assert!(at(2, Some("!".into())).after().is_err());
        assert!(at(2, Some("me".into())).numbers(3).is_err());
    }
}
