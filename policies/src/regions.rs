//! Where on the earth is a cluster?
//!
//! Where its owner says; otherwise where the region lies that it says it is in, if a large cloud has a region of that name.
//! The table gives the city that the provider names for a region, to the degree or so: a data centre is somewhere around it,
//! and to tell which of two clusters is nearer no more is needed. The providers' names for regions differ, so one table does
//! for all of them.

use koinon_model::cluster::Cluster;
use koinon_model::location::Coordinates;

/// Where a cluster is; none where nobody says.
#[must_use]
pub fn whereabouts(cluster: &Cluster) -> Option<Coordinates> {
    cluster.coordinates.or_else(|| of_region(cluster.region.as_deref()?))
}

/// Where a region of a large cloud is.
fn of_region(region: &str) -> Option<Coordinates> {
    let (_, (latitude, longitude)) = REGIONS.iter().find(|(names, _)| names.contains(&region))?;
    // Tenths of a degree.
    Coordinates::from_millionths(i32::from(*latitude) * 100_000, i32::from(*longitude) * 100_000)
}

/// Regions by the city that they are in. Units: tenths of a degree, north and east positive.
///
/// Source: the providers' public lists of regions, which name the city or the state.
const REGIONS: [(&[&str], (i16, i16)); 54] = [
    // America.
    (&["us-east-1", "us-east4", "eastus", "eastus2"], (390, -775)),
    (&["us-east-2", "us-east5"], (400, -830)),
    (&["us-east1"], (332, -800)),
    (&["us-west-1", "westus"], (374, -1219)),
    (&["us-west-2", "us-west1"], (456, -1212)),
    (&["westus2"], (472, -1198)),
    (&["us-west2"], (341, -1182)),
    (&["us-west3"], (408, -1119)),
    (&["us-west4"], (362, -1151)),
    (&["westus3"], (334, -1121)),
    (&["us-central1", "centralus"], (412, -958)),
    (&["us-south1"], (328, -968)),
    (&["southcentralus"], (294, -985)),
    (&["northcentralus"], (419, -876)),
    (&["ca-central-1", "northamerica-northeast1"], (455, -736)),
    (&["northamerica-northeast2", "canadacentral"], (437, -794)),
    (&["ca-west-1"], (510, -1141)),
    (&["mx-central-1", "northamerica-south1", "mexicocentral"], (206, -1004)),
    (&["sa-east-1", "southamerica-east1", "brazilsouth"], (-236, -466)),
    (&["southamerica-west1"], (-335, -707)),
    // Europe.
    (&["eu-west-1", "northeurope"], (533, -63)),
    (&["eu-west-2", "europe-west2", "uksouth"], (515, -1)),
    (&["eu-west-3", "europe-west9", "francecentral"], (489, 24)),
    (&["eu-central-1", "europe-west3", "germanywestcentral"], (501, 87)),
    (&["eu-central-2", "europe-west6", "switzerlandnorth"], (474, 85)),
    (&["europe-west1"], (505, 38)),
    (&["europe-west4"], (534, 68)),
    (&["westeurope"], (524, 49)),
    (&["europe-west8", "eu-south-1", "italynorth"], (455, 92)),
    (&["europe-west12"], (451, 77)),
    (&["europe-west10"], (525, 134)),
    (&["eu-south-2"], (417, -9)),
    (&["europe-southwest1", "spaincentral"], (404, -37)),
    (&["eu-north-1"], (593, 181)),
    (&["europe-north1"], (606, 272)),
    (&["europe-central2", "polandcentral"], (522, 210)),
    // Africa and the Middle East.
    (&["af-south-1"], (-339, 184)),
    (&["africa-south1", "southafricanorth"], (-262, 280)),
    (&["il-central-1", "me-west1", "israelcentral"], (321, 348)),
    (&["me-central-1", "uaenorth"], (252, 553)),
    (&["me-central1", "qatarcentral"], (253, 515)),
    (&["me-south-1"], (261, 506)),
    // Asia and Oceania.
    (&["ap-south-1", "asia-south1", "westindia"], (191, 729)),
    (&["ap-south-2"], (174, 785)),
    (&["southindia"], (131, 803)),
    (&["centralindia"], (186, 739)),
    (&["swedencentral"], (607, 171)),
    (&["asia-south2"], (286, 772)),
    (&["ap-southeast-1", "asia-southeast1", "southeastasia"], (13, 1038)),
    (&["ap-southeast-3", "asia-southeast2"], (-62, 1068)),
    (&["ap-northeast-1", "asia-northeast1", "japaneast"], (357, 1397)),
    (&["ap-northeast-3", "asia-northeast2", "japanwest"], (347, 1355)),
    (&["ap-northeast-2", "asia-northeast3", "koreacentral"], (376, 1270)),
    (&["ap-southeast-2", "australia-southeast1", "australiaeast"], (-339, 1512)),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use koinon_model::name::ClusterName;

    use super::*;

    #[test]
    fn the_owner_is_believed_before_the_region() {
        let mut cluster = Cluster::named(ClusterName::try_from("a").unwrap());
        assert_eq!(whereabouts(&cluster), None);
        cluster.region = Some("dc1".into());
        assert_eq!(whereabouts(&cluster), None);
        cluster.region = Some("eu-central-1".into());
        assert_eq!(whereabouts(&cluster), Coordinates::from_millionths(50_100_000, 8_700_000));
        cluster.coordinates = Coordinates::from_millionths(1, 2);
        assert_eq!(whereabouts(&cluster), cluster.coordinates);
    }

    #[test]
    fn every_region_is_somewhere_and_once() {
        let mut names = BTreeSet::new();
        for name in REGIONS.iter().flat_map(|(names, _)| *names) {
            assert!(of_region(name).is_some(), "{name}");
            assert!(names.insert(name), "{name} is there twice");
        }
    }
}
