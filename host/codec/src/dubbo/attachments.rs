//! The attachments of a request or a response: a map behind all other values.
//!
//! Pairs of strings are fields. All others are kept byte by byte, in their order: only they can be
//! referred to by number, or name a type or class for those behind them, so that their references
//! stay right whatever becomes of the strings between them. What they refer to may lie in the
//! body, too. So where the body was changed and they do not stand alone, nothing is written.

use std::{collections::BTreeSet, ops::Range};

use host_types::FieldList;

use crate::{
    hessian::{
        END, MAP, NULL, Read, TYPED_MAP, Text, Values, is_text, read_int, read_number, read_text,
        write_text,
    },
    read::Cursor,
    wire::{FIELDS_MAX, last_of_each},
};

/// Where the attachments lie.
#[derive(Debug)]
pub(super) struct Attachments {
    /// All of them, with what begins and ends the map.
    place: Range<usize>,
    form: Form,
    others: Vec<Other>,
}

/// What stands in the place of the attachments.
#[derive(Debug)]
enum Form {
    /// A map whose beginning lies here; `refers` where its type is the number of another one.
    Map { beginning: Range<usize>, refers: bool },
    /// Nothing.
    None,
    /// Something else, or a reference: it goes on as it is.
    Fixed,
}

/// A pair that is not of two strings.
#[derive(Debug)]
struct Other {
    /// Nothing where it is no string.
    name: Option<Text>,
    is_null: bool,
    place: Range<usize>,
    /// Means the same wherever it stands.
    alone: bool,
}

/// What is found while attachments are read.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) fields: FieldList,
    /// In milliseconds.
    pub(super) timeout: Option<u64>,
}

impl Found {
    pub(super) fn of(fields: FieldList) -> Self {
        Self { fields, timeout: None }
    }

    fn pair(&mut self, message: &[u8], name: &Text, value: &Text) {
        match (name, value) {
            (Text::At(name), Text::At(value)) => {
                let is_there = self.fields.push_span(name.clone(), value.clone());
                debug_assert!(is_there, "what was read lies in the message");
            }
            _ => self.fields.push(name.bytes(message), value.bytes(message)),
        }
        if is_timeout(name.bytes(message)) {
            let value = std::str::from_utf8(value.bytes(message)).unwrap_or_default();
            self.limit(value.trim().parse().ok());
        }
    }

    /// The shortest of several timeouts holds; none is zero.
    fn limit(&mut self, timeout: Option<u64>) {
        let timeout = timeout.filter(|timeout| *timeout > 0);
        self.timeout = timeout.into_iter().chain(self.timeout).min();
    }
}

/// The names under which a consumer says how long it waits.
fn is_timeout(name: &[u8]) -> bool {
    matches!(name, b"timeout" | b"_TO")
}

impl Attachments {
    /// Reads them, which are the last part of a payload.
    pub(super) fn read(
        cursor: &mut Cursor<'_>,
        values: &mut Values,
        found: Option<&mut Found>,
    ) -> Read<Self> {
        let start = cursor.place();
        let mut others = Vec::new();
        let form = match cursor.peek() {
            None => Form::None,
            Some(NULL) => {
                values.skip(cursor)?;
                Form::None
            }
            Some(MAP | TYPED_MAP) => {
                let form = begin(cursor)?;
                others = pairs(cursor, values, found)?;
                form
            }
            Some(_) => {
                values.skip(cursor)?;
                Form::Fixed
            }
        };
        Ok(Self { place: start..cursor.place(), form, others })
    }

    /// True where something else stands in their place.
    pub(super) fn is_no_map(&self) -> bool {
        matches!(self.form, Form::Fixed)
    }

    /// The pairs that are no fields: the name, where it is a string, and whether there is no value.
    pub(super) fn others<'a>(
        &'a self,
        message: &'a [u8],
    ) -> impl Iterator<Item = (Option<&'a [u8]>, bool)> + Clone {
        let name = |other: &'a Other| other.name.as_ref().map(|name| name.bytes(message));
        self.others.iter().map(move |other| (name(other), other.is_null))
    }

    /// Writes them, and what lay behind them, with these fields. `None` where that would not be
    /// right.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        message: &[u8],
        fields: &FieldList,
        body_changed: bool,
    ) -> Option<()> {
        if body_changed && !self.is_alone() {
            return None;
        }
        if fields.is_changed() {
            self.write_map(out, message, fields)?;
        } else {
            out.extend_from_slice(message.get(self.place.clone())?);
        }
        out.extend_from_slice(message.get(self.place.end..)?);
        Some(())
    }

    /// True where nothing in them refers to the values before them.
    fn is_alone(&self) -> bool {
        let head = match self.form {
            Form::Map { refers, .. } => !refers,
            Form::None => true,
            Form::Fixed => false,
        };
        head && self.others.iter().all(|other| other.alone)
    }

    fn write_map(&self, out: &mut Vec<u8>, message: &[u8], fields: &FieldList) -> Option<()> {
        match &self.form {
            Form::Map { beginning, .. } => out.extend_from_slice(message.get(beginning.clone())?),
            Form::None => out.push(MAP),
            Form::Fixed => return None,
        }
        let pairs = last_of_each(fields);
        let written: BTreeSet<&[u8]> = pairs.iter().map(|(name, _value)| *name).collect();
        for other in &self.others {
            let name = other.name.as_ref().map(|name| name.bytes(message));
            match name.is_some_and(|name| written.contains(name)) {
                false => out.extend_from_slice(message.get(other.place.clone())?),
                // A string takes its place; but without it others would be counted wrongly.
                true if other.alone => {}
                true => return None,
            }
        }
        for (name, value) in pairs {
            write_text(out, name)?;
            write_text(out, value)?;
        }
        out.push(END);
        Some(())
    }
}

/// Reads what a map begins with.
fn begin(cursor: &mut Cursor<'_>) -> Read<Form> {
    let start = cursor.place();
    let mut refers = false;
    if cursor.u8() == Some(TYPED_MAP) {
        match cursor.peek() {
            Some(tag) if is_text(tag) => drop(read_text(cursor)?),
            _ => {
                read_int(cursor)?;
                refers = true;
            }
        }
    }
    Ok(Form::Map { beginning: start..cursor.place(), refers })
}

/// Reads the pairs of a map with its end, and says where those lie that are no fields.
fn pairs(
    cursor: &mut Cursor<'_>,
    values: &mut Values,
    mut found: Option<&mut Found>,
) -> Read<Vec<Other>> {
    let (mut others, mut count) = (Vec::new(), 0);
    while cursor.peek() != Some(END) {
        count += 1;
        if count > FIELDS_MAX {
            return Err("too many attachments");
        }
        others.extend(pair(cursor, values, found.as_deref_mut())?);
    }
    let _end = cursor.u8();
    Ok(others)
}

/// Reads one pair, and says where it lies where it is no field.
fn pair(
    cursor: &mut Cursor<'_>,
    values: &mut Values,
    found: Option<&mut Found>,
) -> Read<Option<Other>> {
    let start = cursor.place();
    let mut alone = true;
    let name = if cursor.peek().is_some_and(is_text) {
        read_text(cursor)?
    } else {
        alone = values.skip(cursor)?;
        None
    };
    let tag = cursor.peek();
    if let Some(name) = &name
        && tag.is_some_and(is_text)
    {
        if let (Some(value), Some(found)) = (read_text(cursor)?, found) {
            found.pair(cursor.bytes(), name, &value);
        }
        return Ok(None);
    }
    if let (Some(name), Some(found)) = (&name, found)
        && is_timeout(name.bytes(cursor.bytes()))
        && let Ok(number) = read_number(&mut cursor.clone())
    {
        found.limit(u64::try_from(number).ok());
    }
    alone &= values.skip(cursor)?;
    let is_null = tag == Some(NULL);
    Ok(Some(Other { name, is_null, place: start..cursor.place(), alone }))
}

#[cfg(test)]
mod tests;
