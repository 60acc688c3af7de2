//! A walk through a scanned text: from the outside in, each byte once.
//!
//! [`Value`]s are slices, and to slice a value its end has to be found first: whoever goes down through four
//! containers by slices steps over the innermost bytes four times. A walk stands in front of a value and goes into it
//! instead. What a visitor leaves alone is stepped over.

use super::{Cursor, Error, Text, UnknownKeys, Value};

/// A place in front of a value of a scanned text. Every method but the questions goes behind that value.
#[derive(Debug, Clone)]
pub struct Walk<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Value<'a> {
    /// Starts a walk in front of this value.
    #[must_use]
    pub fn walk(self) -> Walk<'a> {
        Walk { cursor: Cursor { text: self.text, at: 0 } }
    }
}

impl<'a> Walk<'a> {
    /// Whether an object stands here.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.cursor.peek() == Some(b'{')
    }

    /// Whether an array stands here.
    #[must_use]
    pub fn is_array(&self) -> bool {
        self.cursor.peek() == Some(b'[')
    }

    /// Whether `null` stands here.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.cursor.peek() == Some(b'n')
    }

    /// Where this place is, in bytes from the start of the value that the walk began at. In front of an item of an array
    /// that it began at, it is what [`Value::item_at`] takes.
    #[must_use]
    pub fn position(&self) -> usize {
        self.cursor.at
    }

    /// Takes the value that stands here.
    ///
    /// # Errors
    /// [`Error::Syntax`] behind the end of the text.
    pub fn value(&mut self) -> Result<Value<'a>, Error> {
        self.cursor.take_value()
    }

    /// Takes the string that stands here.
    ///
    /// # Errors
    /// [`Error::WrongType`] for anything else.
    pub fn string(&mut self) -> Result<Text<'a>, Error> {
        self.value()?.string()
    }

    /// Takes the object that stands here and returns the named members; `None` for those that are absent.
    ///
    /// # Errors
    /// [`Error::WrongType`] for anything but an object, [`Error::DuplicateKey`] and [`Error::TwinKey`] for the named
    /// ones, [`Error::UnknownKey`] where asked.
    pub fn fields<const N: usize>(
        &mut self,
        names: [&'static str; N],
        unknown: UnknownKeys,
    ) -> Result<[Option<Value<'a>>; N], Error> {
        let mut found = [None; N];
        self.each_member(|key, here| {
            let mut known = false;
            for (name, slot) in names.iter().zip(found.iter_mut()) {
                if key.raw == *name {
                    known = true;
                    if slot.replace(here.value()?).is_some() {
                        return Err(Error::DuplicateKey(name));
                    }
                } else if key.folds_to(name) {
                    return Err(Error::TwinKey(name));
                }
            }
            if !known && unknown == UnknownKeys::Refuse { Err(Error::UnknownKey) } else { Ok(()) }
        })?;
        Ok(found)
    }

    /// The same for many names in an object whose other keys do not matter: a look at a key's first byte spares most
    /// comparisons. Objects with few keys are read as fast by [`Walk::fields`], which is less code.
    ///
    /// # Errors
    /// As [`Walk::fields`].
    pub fn fields_of_many<const N: usize>(
        &mut self,
        names: [&'static str; N],
    ) -> Result<[Option<Value<'a>>; N], Error> {
        let firsts = names.iter().fold(0, |bits, name| bits | first_bit(name.bytes().next()));
        let mut found = [None; N];
        self.each_member(|key, here| {
            match key.raw.bytes().next() {
                // What these stand for is only known when they are decoded.
                Some(b'\\' | 0x80..) => {}
                first if firsts & first_bit(first) == 0 => return Ok(()),
                _ => {}
            }
            for (name, slot) in names.iter().zip(found.iter_mut()) {
                if key.raw == *name {
                    if slot.replace(here.value()?).is_some() {
                        return Err(Error::DuplicateKey(name));
                    }
                } else if key.folds_to(name) {
                    return Err(Error::TwinKey(name));
                }
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Goes through the object that stands here and stops in front of each of the named members, as they come; all
    /// others are stepped over.
    ///
    /// # Errors
    /// [`Error::WrongType`] for anything but an object, [`Error::DuplicateKey`] and [`Error::TwinKey`] for the named
    /// ones, and the visitor's own. A member that comes a second time is an error before it is visited; what was done
    /// about the first is for the caller to throw away.
    pub fn members<const N: usize, E: From<Error>>(
        &mut self,
        names: [&'static str; N],
        mut visit: impl FnMut(&'static str, &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut seen = [false; N];
        self.each_member(|key, here| {
            for (name, seen) in names.iter().zip(seen.iter_mut()) {
                if key.raw == *name {
                    if core::mem::replace(seen, true) {
                        return Err(Error::DuplicateKey(name).into());
                    }
                    return visit(name, here);
                }
                if key.folds_to(name) {
                    return Err(Error::TwinKey(name).into());
                }
            }
            Ok(())
        })
    }

    /// Goes through the array that stands here and stops in front of each of its items.
    ///
    /// # Errors
    /// [`Error::WrongType`] for anything but an array, and the visitor's own.
    pub fn items<E: From<Error>>(
        &mut self,
        mut visit: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.is_array() {
            return Err(Error::WrongType.into());
        }
        self.enter();
        while self.cursor.peek() != Some(b']') {
            self.visit(&mut visit)?;
        }
        self.leave();
        Ok(())
    }

    fn each_member<E: From<Error>>(
        &mut self,
        mut visit: impl FnMut(Text<'a>, &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.is_object() {
            return Err(Error::WrongType.into());
        }
        self.enter();
        while self.cursor.peek() != Some(b'}') {
            let key = self.string()?;
            self.cursor.skip_space();
            self.cursor.expect(b':')?;
            self.cursor.skip_space();
            self.visit(|here| visit(key, here))?;
        }
        self.leave();
        Ok(())
    }

    fn visit<E: From<Error>>(&mut self, visit: impl FnOnce(&mut Self) -> Result<(), E>) -> Result<(), E> {
        let before = self.cursor.at;
        visit(self)?;
        // No value is empty: who took it is elsewhere now.
        if self.cursor.at == before {
            self.value()?;
        }
        Ok(self.cursor.next_item()?)
    }

    /// Steps over an opening bracket.
    fn enter(&mut self) {
        self.leave();
        self.cursor.skip_space();
    }

    /// Steps over a closing bracket.
    fn leave(&mut self) {
        self.cursor.at = self.cursor.at.saturating_add(1);
    }
}

/// A bit for a first byte, the same for both cases of a letter. Other bytes may share it.
fn first_bit(byte: Option<u8>) -> u32 {
    byte.map_or(0, |byte| 1_u32.wrapping_shl(u32::from(byte & 0x1f)))
}

#[cfg(test)]
mod tests {
    use super::super::{Error, UnknownKeys, parse};
    use super::Walk;

    extern crate std;
    use std::format;
    use std::string::{String, ToString as _};
    use std::vec::Vec;

    const TEXT: &[u8] =
        br#" { "skip" : [ { "in" : 9 } ] , "out" : [ {"in":1} , {"x":[2],"in":[3]} , {} ] , "end":"e" } "#;

    fn walked(text: &[u8]) -> Result<Vec<String>, Error> {
        let mut seen = Vec::new();
        parse(text)?.walk().members(["out", "end"], |name, here| match name {
            "out" => here.items(|here| {
                here.members(["in"], |name, here| {
                    seen.push(format!("{name}={}", here.value()?.text()));
                    Ok(())
                })
            }),
            _ => {
                seen.push(here.string()?.chars().collect());
                Ok(())
            }
        })?;
        Ok(seen)
    }

    #[test]
    fn a_walk_stops_at_what_is_named_and_steps_over_the_rest() {
        assert_eq!(walked(TEXT).unwrap(), ["in=1", "in=[3]", "e"]);
        assert!(walked(b"{}").unwrap().is_empty());
        assert_eq!(walked(br#"{"out":[],"end":""}"#).unwrap(), [""]);
    }

    #[test]
    fn what_a_visitor_leaves_alone_is_stepped_over() {
        let mut count = 0;
        let mut walk = parse(TEXT).unwrap().walk();
        walk.members(["skip", "out", "end"], |_, _| {
            count += 1;
            Ok::<_, Error>(())
        })
        .unwrap();
        assert_eq!(count, 3);
    }

    #[test]
    fn twins_and_duplicates_of_what_is_named_end_a_walk() {
        for (text, error) in [
            (r#"{"end":"a","end":"b"}"#, Error::DuplicateKey("end")),
            (r#"{"end":"a","End":"b"}"#, Error::TwinKey("end")),
            (r#"{"en\u0064":"a"}"#, Error::TwinKey("end")),
            (r#"{"out":[{"in":1},{"in":1,"in":2}]}"#, Error::DuplicateKey("in")),
            (r#"{"out":[{"IN":1}]}"#, Error::TwinKey("in")),
            (r#"{"out":{}}"#, Error::WrongType),
            (r#"{"out":null}"#, Error::WrongType),
            (r#"{"out":[1]}"#, Error::WrongType),
            (r#"{"end":1}"#, Error::WrongType),
            ("[]", Error::WrongType),
            ("1", Error::WrongType),
        ] {
            assert_eq!(walked(text.as_bytes()), Err(error), "{text}");
        }
        assert!(walked(br#"{"skip":1,"skip":2}"#).unwrap().is_empty());
    }

    #[test]
    fn an_error_of_the_visitor_ends_the_walk() {
        let mut count = 0;
        let result = parse(b"[1,2,3]").unwrap().walk().items(|_| {
            count += 1;
            if count == 2 { Err(Error::TooLong) } else { Ok(()) }
        });
        assert_eq!((result, count), (Err(Error::TooLong), 2));
    }

    #[test]
    fn fields_leave_the_walk_behind_the_object() {
        let text = parse(br#"[{"a":1,"b":{"a":2}},{"a":3}]"#).unwrap();
        let mut found = Vec::new();
        let read = |here: &mut Walk<'_>| -> Result<(), Error> {
            let [a] = here.fields(["a"], UnknownKeys::Skip)?;
            found.push(a.unwrap().text().to_string());
            Ok(())
        };
        text.walk().items(read).unwrap();
        assert_eq!(found, ["1", "3"]);
    }

    #[test]
    fn many_names_are_found_as_few_are() {
        let names = ["type", "@type", "spdxId", "kind", "Kelvin"];
        for text in [
            r#"{"type":1,"kind":[2],"x":3,"tip":4,"":5,"spdxId":6}"#,
            r#"{"@type":1,"type":2,"T":3}"#,
            r#"{"type":1,"type":1}"#,
            r#"{"TYPE":1}"#,
            r#"{"@Type":1}"#,
            r#"{"\u0074ype":1}"#,
            "{\"\u{17f}pdxId\":1}",
            "{\"\u{212a}ind\":1}",
            "{}",
            "[]",
        ] {
            let walk = || parse(text.as_bytes()).unwrap().walk();
            assert_eq!(walk().fields_of_many(names), walk().fields(names, UnknownKeys::Skip), "{text}");
        }
    }

    #[test]
    fn a_place_in_front_of_an_item_leads_back_to_it() {
        let array = parse(br#"[ 1 , {"a":[2]},"x"]"#).unwrap();
        let mut count = 0;
        let read = |here: &mut Walk<'_>| -> Result<(), Error> {
            let position = here.position();
            assert_eq!(array.item_at(position), here.value());
            count += 1;
            Ok(())
        };
        array.walk().items(read).unwrap();
        assert_eq!(count, 3);
    }

    #[test]
    fn questions_do_not_move() {
        for (text, answers) in [
            ("{}", (true, false, false)),
            ("[]", (false, true, false)),
            ("null", (false, false, true)),
            ("1", (false, false, false)),
            ("\"null\"", (false, false, false)),
        ] {
            let mut walk = parse(text.as_bytes()).unwrap().walk();
            assert_eq!((walk.is_object(), walk.is_array(), walk.is_null()), answers, "{text}");
            assert_eq!(walk.value().unwrap().text(), text);
        }
    }
}
