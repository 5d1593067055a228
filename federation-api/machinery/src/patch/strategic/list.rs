//! How lists are merged, and in which order their items end up.

use serde_json::Map;

use super::{DIRECTIVE, ELEMENT_ORDER, Error, Merge, Place, clean_list, cleaned};
use crate::Value;
use crate::schema::TypeId;

/// Removes the scalars of `unwanted` from a list, if there is one.
pub(super) fn delete_scalars(object: &mut Map<String, Value>, list: &str, unwanted: Value) {
    match (object.get_mut(list), unwanted) {
        (_, Value::Null) => {
            object.remove(list);
        }
        (Some(Value::Array(items)), Value::Array(unwanted)) => items.retain(|item| !unwanted.contains(item)),
        _ => {}
    }
}

impl Merge<'_> {
    /// Obeys `$setElementOrder` directives, merging the lists they are about and removing both from the patch.
    pub(super) fn ordered_lists(
        self,
        object: &mut Map<String, Value>,
        patch: &mut Map<String, Value>,
        ty: Option<TypeId>,
    ) -> Result<(), Error> {
        let directives: Vec<String> =
            patch.keys().filter(|key| key.starts_with(ELEMENT_ORDER)).cloned().collect();
        for directive in directives {
            let field = directive[ELEMENT_ORDER.len()..].strip_prefix('/').ok_or(Error::ElementOrder)?;
            let Some(Value::Array(order)) = patch.remove(&directive) else {
                return Err(Error::NotAList { field: directive });
            };
            let current = take_list(object, field)?;
            let added = take_list(patch, field)?;
            let place = self.place(ty, field);
            check_order(field, added.as_deref().unwrap_or_default(), &order, place.merge_key())?;
            let server_order = server_order(
                current.as_deref().unwrap_or_default(),
                added.as_deref().unwrap_or_default(),
                place.merge_key(),
            );
            let merged = match (current, added) {
                (None, None) => continue,
                (Some(current), None) => current,
                (None, Some(added)) => clean_list(added),
                (Some(current), Some(added)) if place.is_merged() => {
                    self.list(field, current, added, &place)?
                }
                (Some(_), Some(added)) => clean_list(added),
            };
            let ordered = in_order(merged, &order, &server_order, place.merge_key())?;
            object.insert(field.to_owned(), Value::Array(ordered));
        }
        Ok(())
    }

    /// Merges the items of a patch into a list.
    pub(super) fn list(
        self,
        field: &str,
        current: Vec<Value>,
        patch: Vec<Value>,
        place: &Place<'_>,
    ) -> Result<Vec<Value>, Error> {
        if current.is_empty() && patch.is_empty() {
            return Ok(current);
        }
        if !items_are_objects(field, &current, &patch)? {
            let mut merged = current.clone();
            merged.extend(patch.iter().cloned());
            return in_order(deduplicated(merged), &patch, &current, "");
        }
        let key = place.merge_key();
        if key.is_empty() {
            return Err(Error::NoMergeKey { list: field.to_owned() });
        }
        let (current, patch) = obey_item_directives(current, patch, key)?;
        let server_order = current.iter().map(|item| key_only(item, key)).collect::<Vec<_>>();
        let patch_order = patch.iter().map(|item| key_only(item, key)).collect::<Vec<_>>();
        let mut merged = current;
        for item in patch {
            let wanted = item.get(key).ok_or_else(|| no_key(&item, key))?;
            let position = merged.iter().position(|present| present.get(key) == Some(wanted));
            match (position.and_then(|position| merged.get_mut(position)), item) {
                (Some(Value::Object(present)), Value::Object(item)) => self.map(present, item, place.ty)?,
                (_, item) => merged.extend(cleaned(item)),
            }
        }
        in_order(merged, &patch_order, &server_order, key)
    }
}

/// Takes a list out of a map; a value of another type is an error.
fn take_list(map: &mut Map<String, Value>, field: &str) -> Result<Option<Vec<Value>>, Error> {
    match map.remove(field) {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(_) => Err(Error::NotAList { field: field.to_owned() }),
    }
}

/// Whether the items of both lists are objects; they must all be of one type, and not lists.
fn items_are_objects(field: &str, current: &[Value], patch: &[Value]) -> Result<bool, Error> {
    let mut all = current.iter().chain(patch);
    let Some(first) = all.next() else { return Ok(false) };
    if first.is_array() {
        return Err(Error::ListOfLists);
    }
    if all.any(|item| std::mem::discriminant(item) != std::mem::discriminant(first)) {
        return Err(Error::MixedItems { list: field.to_owned() });
    }
    Ok(first.is_object())
}

/// Obeys `$patch` in items: `delete` removes items from `current`, `replace` empties it first.
fn obey_item_directives(
    mut current: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let (mut plain, mut is_replaced) = (Vec::with_capacity(patch.len()), false);
    for item in patch {
        match item.get(DIRECTIVE).map(|directive| directive.as_str()) {
            None => plain.push(item),
            Some(Some("delete")) => {
                let unwanted = item.get(key).ok_or_else(|| no_key(&item, key))?;
                current.retain(|present| present.get(key) != Some(unwanted));
            }
            Some(Some("replace")) => is_replaced = true,
            Some(_) => return Err(Error::Directive { directive: item[DIRECTIVE].to_string() }),
        }
    }
    // A list that is replaced is the patch's, with nothing left to merge into it.
    if is_replaced { Ok((clean_list(plain), Vec::new())) } else { Ok((current, plain)) }
}

/// Checks that the items of a patch appear in `order`, in that order; items to be deleted do not count.
fn check_order(field: &str, patch: &[Value], order: &[Value], key: &str) -> Result<(), Error> {
    if order.is_empty() {
        return Ok(());
    }
    let mut rest = order.iter();
    for item in patch.iter().filter(|item| item.get(DIRECTIVE).is_none()) {
        let wanted = key_of(item, key)?;
        loop {
            let next = rest.next().ok_or_else(|| Error::OrderMismatch { list: field.to_owned() })?;
            if key_of(next, key)? == wanted {
                break;
            }
        }
    }
    Ok(())
}

/// The order that an ordered list had on the server, as upstream sees it once it has merged the patch.
///
/// Upstream deletes and appends in place, in the memory of the list whose order it compares with afterwards. So items
/// that the patch adds stand there behind the server's, as many as it deletes; clients see that in the result.
fn server_order(current: &[Value], patch: &[Value], key: &str) -> Vec<Value> {
    if key.is_empty() {
        return current.to_vec();
    }
    let is_delete = |item: &&Value| item.get(DIRECTIVE).is_some_and(|directive| directive == "delete");
    let names = |list: &[Value], item: &Value| list.iter().any(|other| other.get(key) == item.get(key));
    let deleted: Vec<Value> = patch.iter().filter(is_delete).map(|item| key_only(item, key)).collect();
    let mut order: Vec<Value> =
        current.iter().filter(|item| !names(&deleted, item)).map(|item| key_only(item, key)).collect();
    let n_deleted = current.len() - order.len();
    let added = patch.iter().filter(|item| item.get(DIRECTIVE).is_none() && !names(&order, item));
    let added: Vec<Value> = added.take(n_deleted).map(|item| key_only(item, key)).collect();
    order.extend(added);
    order
}

/// Orders a merged list: items named in `order` as there, the others as in `server_order`, interleaved as best fits
/// the latter.
fn in_order(
    merged: Vec<Value>,
    order: &[Value],
    server_order: &[Value],
    key: &str,
) -> Result<Vec<Value>, Error> {
    let mut from_patch = Vec::new();
    let mut from_server = Vec::new();
    for item in merged {
        let server_rank = rank(server_order, &item, key);
        match rank(order, &item, key) {
            Some(rank) => from_patch.push((rank, server_rank, item)),
            None if !key.is_empty() && item.get(key).is_none() => return Err(no_key(&item, key)),
            None => from_server.push((server_rank, item)),
        }
    }
    from_patch.sort_by_key(|(rank, ..)| *rank);
    from_server.sort_by_key(|(rank, _)| *rank);
    let mut from_server = from_server.into_iter().peekable();
    let mut result = Vec::with_capacity(from_patch.len() + from_server.len());
    for (_, patch_rank, item) in from_patch {
        // A server's item goes before the first patched item that stood behind it.
        while let Some((_, earlier)) =
            from_server.next_if(|(server_rank, _)| matches!((server_rank, patch_rank), (Some(server), Some(patch)) if *server < patch))
        {
            result.push(earlier);
        }
        result.push(item);
    }
    result.extend(from_server.map(|(_, item)| item));
    Ok(result)
}

/// The position of the first item of `order` that is, or has the key of, `item`.
fn rank(order: &[Value], item: &Value, key: &str) -> Option<usize> {
    if key.is_empty() {
        return order.iter().position(|ordered| ordered == item);
    }
    let wanted = item.get(key)?;
    order.iter().position(|ordered| ordered.get(key) == Some(wanted))
}

fn key_of<'a>(item: &'a Value, key: &str) -> Result<&'a Value, Error> {
    if key.is_empty() { Ok(item) } else { item.get(key).ok_or_else(|| no_key(item, key)) }
}

/// An object with nothing but the key, for remembering an order cheaply.
fn key_only(item: &Value, key: &str) -> Value {
    item.get(key)
        .map(|value| Value::Object([(key.to_owned(), value.clone())].into_iter().collect()))
        .unwrap_or_default()
}

fn deduplicated(items: Vec<Value>) -> Vec<Value> {
    let mut distinct: Vec<Value> = Vec::with_capacity(items.len());
    for item in items {
        if !distinct.contains(&item) {
            distinct.push(item);
        }
    }
    distinct
}

fn no_key(item: &Value, key: &str) -> Error {
    Error::MergeKey { item: item.to_string(), key: key.to_owned() }
}
