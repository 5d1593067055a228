//! A fork by distance: the cluster that is closest to the client on the globe.
//!
//! Points are vectors of length one, so that the closest is the one with the greatest dot product: for each client two sines
//! and cosines, and three multiplications per cluster.

use koinon_types::names::Place;

use super::{Chosen, Next};
use crate::geo::{Atlas, Wanted};
use crate::snapshot::client::Whereabouts;

/// What is asked of databases.
const WANTED: Wanted = Wanted { area: false, asn: false, at: true };

/// Clusters that have an endpoint to answer with and a place that is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Nearest(Box<[Point]>);

#[derive(Clone, Debug, PartialEq)]
struct Point {
    /// Its number among the places of the step.
    place: usize,
    vector: [f64; 3],
    next: Next,
}

impl Nearest {
    /// Compiles the places that lead somewhere, given by their numbers.
    pub(super) fn new(places: &[Place], branches: &[(usize, Next)]) -> Self {
        let point = |&(place, next): &(usize, Next)| {
            let at = places[place].at;
            let vector = vector(f64::from(at.latitude) / 1e6, f64::from(at.longitude) / 1e6);
            Point { place, vector, next }
        };
        Self(branches.iter().map(point).collect())
    }

    pub(super) fn choose(&self, whereabouts: Whereabouts, atlas: &Atlas, otherwise: Next) -> Chosen {
        let located = atlas.locate(whereabouts.address(), WANTED);
        let mut best: Option<(usize, f64)> = None;
        if let Some((latitude, longitude)) = located.place.at {
            let client = vector(latitude, longitude);
            for (at, point) in self.0.iter().enumerate() {
                let closeness = dot(client, point.vector);
                // Of two at the same distance, the first by name.
                if best.is_none_or(|(_, closest)| closeness > closest) {
                    best = Some((at, closeness));
                }
            }
        }
        let branch = best.map(|(at, _)| at);
        let next = branch.map_or(otherwise, |at| self.0[at].next);
        Chosen { branch, next, n_bits: located.n_bits, located }
    }

    /// The number of a branch's place among all places of the step.
    pub(super) fn place(&self, branch: usize) -> usize {
        self.0[branch].place
    }
}

/// The point of the unit sphere at these degrees.
fn vector(latitude: f64, longitude: f64) -> [f64; 3] {
    let (sin_latitude, cos_latitude) = latitude.to_radians().sin_cos();
    let (sin_longitude, cos_longitude) = longitude.to_radians().sin_cos();
    [cos_latitude * cos_longitude, cos_latitude * sin_longitude, sin_latitude]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Kilometres between two points given in degrees, along the earth's surface.
pub(super) fn kilometres(a: (f64, f64), b: (f64, f64)) -> f64 {
    /// The mean radius of the earth (IUGG).
    const RADIUS: f64 = 6371.0;
    RADIUS * dot(vector(a.0, a.1), vector(b.0, b.1)).clamp(-1.0, 1.0).acos()
}
