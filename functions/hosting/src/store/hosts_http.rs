//! What hosts ask for over HTTP.

use domain::HostId;
use domain::hosting::Host;
use domain::hosting::host::Copied;
use domain::hosting::host_protocol::{HostReport, Manifest, ManifestSite, ManifestState};
use platform::store::Write;
use platform::{Error, Result};

use super::{HostingOfAll, keys};

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
            let state = match (kept.serving, kept.suspended, kept.copying) {
                (true, true, _) => ManifestState::Suspended,
                (true, false, _) => ManifestState::Serving,
                (false, _, true) => ManifestState::Copying,
                (false, _, false) => continue,
            };
            let Some(bucket) = kept.bucket else { continue };
            for fqdn in [Some(kept.fqdn), kept.also].into_iter().flatten() {
                sites.push(ManifestSite {
                    site: kept.site,
                    fqdn,
                    bucket: bucket.clone(),
                    units: kept.units,
                    state,
                    fingerprint: kept.copying,
                });
            }
        }
        Ok(Manifest { generation: host.generation, sites })
    }

    /// What a host tells of its copies of sites that are on their way to it.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn copied(&self, host: HostId, report: &HostReport) -> Result<()> {
        for site in &report.sites {
            let Some(fingerprint) = site.copy.clone() else { continue };
            let copy = Copied { fingerprint, generation: report.generation };
            let write = Write::update(keys::reservation(host, site.site))
                .set("copy", copy)
                .when("copying = :yes", [(":yes", true)]);
            match self.table.write(write).await {
                // It has arrived, or its move was taken back.
                Ok(()) | Err(Error::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
