//! What hosts ask for over HTTP.

use domain::hosting::Host;
use domain::hosting::host_protocol::{Manifest, ManifestSite, ManifestState};
use platform::Result;

use super::HostingOfAll;

impl HostingOfAll {
    /// What a host is to serve.
    ///
    /// Its generation was read before its sites: sites of a later generation may already be among them, and then come
    /// again under their own, while the other way round a generation would be reported as applied without its sites.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn manifest(&self, host: &Host) -> Result<Manifest> {
        let mut sites: Vec<ManifestSite> = Vec::new();
        for kept in self.reservations(host.id).await? {
            // Room is kept before there is anything to serve on it.
            let Some(bucket) = kept.bucket.filter(|_| kept.serving) else { continue };
            sites.push(ManifestSite {
                site: kept.site,
                fqdn: kept.fqdn,
                bucket,
                units: kept.units,
                state: ManifestState::Serving,
            });
        }
        Ok(Manifest { generation: host.generation, sites })
    }
}
