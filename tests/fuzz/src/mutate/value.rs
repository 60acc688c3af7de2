//! JSON: members and items are removed, doubled, renamed, exchanged and replaced; texts are changed inside of their base64.

use serde_json::{Value, json};

use super::{Random, bytes, encoded};
use crate::world::bytes_at;

pub(super) fn change(input: &[u8], donors: &[Vec<u8>], random: &mut Random, depth: usize) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(input).ok()?;
    let mut places = Vec::new();
    find(&document, &mut String::new(), &mut places);
    let place = random.pick(&places)?.clone();
    match random.below(14) {
        0 => remove(&mut document, &place),
        1 => match document.pointer_mut(&place)? {
            Value::Array(items) if !items.is_empty() => {
                let item = items[random.below(items.len())].clone();
                items.push(item);
            }
            value => *value = json!([value.clone()]),
        },
        2 => {
            let other = random.pick(&places)?;
            let (here, there) = (document.pointer(&place)?.clone(), document.pointer(other)?.clone());
            // Neither is inside of the other.
            if !place.starts_with(other.as_str()) && !other.starts_with(&place) {
                *document.pointer_mut(&place)? = there;
                *document.pointer_mut(other)? = here;
            }
        }
        3 | 4 => {
            let donor: Value = serde_json::from_slice(random.pick(donors)?).ok()?;
            *document.pointer_mut(&place)? = donor.pointer(&place)?.clone();
        }
        5 => {
            let donor: Value = serde_json::from_slice(random.pick(donors)?).ok()?;
            let mut theirs = Vec::new();
            find(&donor, &mut String::new(), &mut theirs);
            *document.pointer_mut(&place)? = donor.pointer(random.pick(&theirs)?)?.clone();
        }
        6 => {
            let odd =
                [json!(null), json!(0), json!(-1), json!(""), json!("0"), json!([]), json!({}), json!(true)];
            *document.pointer_mut(&place)? = random.pick(&odd)?.clone();
        }
        7 => return double_member(&document, &place, random),
        8 => rename(&mut document, &place, random)?,
        _ => {
            // Texts are where the signed things are.
            let texts: Vec<&String> =
                places.iter().filter(|place| document.pointer(place).is_some_and(Value::is_string)).collect();
            let place = (*random.pick(&texts)?).clone();
            let donor = random.pick(donors).and_then(|donor| serde_json::from_slice::<Value>(donor).ok());
            let theirs: Vec<Vec<u8>> = donor.and_then(|donor| bytes_at(&donor, &place)).into_iter().collect();
            let value = document.pointer_mut(&place)?;
            let text = value.as_str()?.to_owned();
            *value = match encoded(&text, &theirs, random, depth) {
                Some(text) => text,
                None => String::from_utf8(bytes(text.as_bytes(), random)).ok()?,
            }
            .into();
        }
    }
    serde_json::to_vec(&document).ok()
}

fn find(value: &Value, place: &mut String, found: &mut Vec<String>) {
    found.push(place.clone());
    let length = place.len();
    let mut below = |name: &str, value: &Value| {
        place.push('/');
        place.push_str(&name.replace('~', "~0").replace('/', "~1"));
        find(value, place, found);
        place.truncate(length);
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| below(&n.to_string(), item)),
        Value::Object(members) => members.iter().for_each(|(name, member)| below(name, member)),
        _ => {}
    }
}

fn remove(document: &mut Value, place: &str) {
    let Some((parent, name)) = place.rsplit_once('/') else { return };
    match document.pointer_mut(parent) {
        Some(Value::Array(items)) => {
            if let Ok(n) = name.parse::<usize>() {
                drop(items.remove(n));
            }
        }
        Some(Value::Object(members)) => drop(members.shift_remove(name)),
        _ => {}
    }
}

/// A member twice under one name: once as it is, once as something else.
fn double_member(document: &Value, place: &str, random: &mut Random) -> Option<Vec<u8>> {
    let (_, name) = place.rsplit_once('/')?;
    let text = document.to_string();
    let key = format!("{}:", Value::from(name));
    let at = text.find(&key)?;
    let value = random.pick(&["null", "0", "\"\"", "[]", "{}"])?;
    Some(format!("{}{key}{value},{}", &text[..at], &text[at..]).into_bytes())
}

/// Another spelling: cases, protobuf's own, an escape.
fn rename(document: &mut Value, place: &str, random: &mut Random) -> Option<()> {
    let (parent, name) = place.rsplit_once('/')?;
    let members = document.pointer_mut(parent)?.as_object_mut()?;
    let value = members.shift_remove(name)?;
    let name = match random.below(3) {
        0 => name.to_uppercase(),
        1 => name
            .chars()
            .flat_map(|c| if c.is_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] })
            .collect(),
        _ => format!("{name} "),
    };
    members.insert(name, value);
    Some(())
}
