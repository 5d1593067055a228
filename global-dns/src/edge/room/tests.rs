//! Who is let in, who leaves, and for how long one stays.

use super::*;

const SIZE: usize = 16;

fn table() -> Table {
    let room = Room::new(SIZE, STAY);
    let table = Arc::try_unwrap(room.0).map_err(|_| ()).unwrap();
    table.into_inner().unwrap()
}

/// Fills the table from eight networks; gives the ids in the order they came, a millisecond apart.
fn full(start: Instant) -> (Table, Vec<u64>) {
    let mut table = table();
    let ids = (0..SIZE as u64).map(|number| {
        let now = start + Duration::from_millis(number);
        table.admit(number % 8, now).unwrap().0
    });
    let ids = ids.collect();
    (table, ids)
}

#[test]
fn a_full_room_sends_away_who_is_idle_longest() {
    let start = Instant::now();
    let (mut table, ids) = full(start);
    // The first is busy, and the second has just been.
    table.set(ids[0], Doing::Awaited, start);
    table.set(ids[1], Doing::Idle, start + Duration::from_millis(99));
    let (newcomer, _) = table.admit(99, start + Duration::from_millis(100)).unwrap();
    assert_eq!(table.occupants.len(), SIZE);
    assert!(table.occupants.contains_key(&newcomer) && !table.occupants.contains_key(&ids[2]));
    assert_eq!(table.deadline(ids[2], start), Err(Overstay::Shed));
}

#[test]
fn who_waits_for_us_stays_and_the_newcomer_goes() {
    let start = Instant::now();
    let (mut table, ids) = full(start);
    for id in &ids {
        table.set(*id, Doing::Working, start);
    }
    let later = start + STAY.stall_max * 9;
    assert_eq!(table.admit(99, later).err(), Some(Refusal::Room));
    assert!(table.deadline(ids[0], later).is_ok());
    // Who keeps us waiting leaves, but not before it had time for a few round trips.
    table.set(ids[3], Doing::Awaited, later);
    assert_eq!(table.admit(99, later + STAY.stall_min / 2).err(), Some(Refusal::Room));
    table.admit(99, later + STAY.stall_min).unwrap();
    assert!(!table.occupants.contains_key(&ids[3]));
}

#[test]
fn a_network_has_its_share_and_makes_room_for_its_own() {
    let start = Instant::now();
    let mut table = table();
    let one = table.admit(1, start).unwrap().0;
    let two = table.admit(1, start + Duration::from_millis(1)).unwrap().0;
    let three = table.admit(1, start + Duration::from_millis(2)).unwrap().0;
    assert!(!table.occupants.contains_key(&one) && table.occupants.len() == SIZE / NETWORK_SHARE);
    for id in [two, three] {
        table.set(id, Doing::Working, start);
    }
    assert_eq!(table.admit(1, start).err(), Some(Refusal::Network));
    table.admit(2, start).unwrap();
    table.leave(two);
    table.admit(1, start).unwrap();
}

#[test]
fn the_fuller_the_room_the_shorter_one_may_be_idle() {
    let start = Instant::now();
    let mut table = table();
    let mut lengths = Vec::new();
    for number in 0..=SIZE as u64 {
        lengths.push(table.idle_max());
        if number < SIZE as u64 {
            table.admit(number, start).unwrap();
        }
    }
    assert!(lengths[..=SIZE / 2].iter().all(|length| *length == STAY.idle_max), "{lengths:?}");
    assert!(lengths[SIZE / 2..].windows(2).all(|pair| pair[1] < pair[0]), "{lengths:?}");
    assert_eq!(lengths.last(), Some(&STAY.idle_min));
}

#[test]
fn stays_end_when_nothing_moves() {
    let start = Instant::now();
    let mut table = table();
    let id = table.admit(1, start).unwrap().0;
    assert_eq!(table.deadline(id, start), Ok(start + STAY.idle_max));
    assert_eq!(table.deadline(id, start + STAY.idle_max), Err(Overstay::Idle));
    table.set(id, Doing::Awaited, start + STAY.idle_max);
    assert_eq!(table.deadline(id, start + STAY.idle_max), Ok(start + STAY.idle_max + STAY.stall_max));
    assert_eq!(table.deadline(id, start + STAY.idle_max + STAY.stall_max), Err(Overstay::Stalled));
}

#[test]
fn nothing_is_left_of_who_left() {
    let start = Instant::now();
    let (mut table, ids) = full(start);
    for (id, doing) in ids.iter().zip([Doing::Idle, Doing::Awaited, Doing::Working].into_iter().cycle()) {
        table.set(*id, doing, start);
        table.leave(*id);
    }
    assert!(table.occupants.is_empty() && table.parts.is_empty());
    assert!(table.waiting.idle.is_empty() && table.waiting.awaited.is_empty());
}
