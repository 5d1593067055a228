//! Signatures while a snapshot is compiled: those known are written at once, the others are made together at the end.

use std::collections::HashMap;
use std::sync::Arc;

use crate::dnssec::{Order, SIGNATURE, Signatures, Unsigned};

/// What is still to be signed, and where the signatures go.
#[derive(Default)]
pub(super) struct Orders {
    signatures: Arc<Signatures>,
    /// Shape: each once.
    missing: Vec<Order>,
    /// Where each is in `missing`.
    numbers: HashMap<u128, u32>,
    /// A place in the snapshot's bytes, and the order that it waits for.
    waiting: Vec<(u32, u32)>,
}

impl Orders {
    pub(super) fn new(signatures: Arc<Signatures>) -> Self {
        signatures.begin_build();
        Self { signatures, missing: Vec::new(), numbers: HashMap::new(), waiting: Vec::new() }
    }

    /// Writes the signature that an order asks for to `at`, now or at the end.
    pub(super) fn place(&mut self, bytes: &mut [u8], at: u32, order: Order) {
        if let Some(number) = self.numbers.get(&order.hash()) {
            self.waiting.push((at, *number));
            return;
        }
        if let Some(signature) = self.signatures.find(&order) {
            bytes[at as usize..at as usize + SIGNATURE].copy_from_slice(&signature);
            return;
        }
        // There are fewer orders than bytes, whose number fits.
        let number = self.missing.len() as u32;
        self.numbers.insert(order.hash(), number);
        self.waiting.push((at, number));
        self.missing.push(order);
    }

    /// Makes what is missing.
    pub(super) fn finish(self, bytes: &mut [u8]) -> Result<(), Unsigned> {
        let made = self.signatures.make(&self.missing)?;
        for (at, number) in self.waiting {
            let at = at as usize;
            bytes[at..at + SIGNATURE].copy_from_slice(&made[number as usize]);
        }
        Ok(())
    }
}
