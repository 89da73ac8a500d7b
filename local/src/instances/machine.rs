//! What the machines are made of: the fake EC2's instances, and the buckets their sites' files are in.

use std::net::Ipv4Addr;

use aws_lc_rs::digest;
use domain::hosting::content;
use domain::hosting::host_protocol::HostCapacity;

use super::website::{File, Files};
use crate::aws::Cloud;
use crate::aws::ec2::{Instance, MachineType};

/// A running instance.
pub(super) struct Machine {
    pub(super) id: String,
    pub(super) ip: Ipv4Addr,
    pub(super) user_data: String,
    kind: String,
}

/// The instances that run.
pub(super) fn running(cloud: &Cloud) -> Vec<Machine> {
    let machine = |instance: Instance| Machine {
        id: instance.id,
        ip: instance.public_ip,
        user_data: instance.user_data,
        kind: instance.instance_type,
    };
    cloud.ec2().running().into_iter().map(machine).collect()
}

impl Machine {
    /// What the machine has to give; its disk is as large as the launch template's usual volume for that memory.
    pub(super) fn capacity(&self) -> HostCapacity {
        let memory_mib = MachineType::find(&self.kind).map_or(512, |kind| kind.memory_mib);
        HostCapacity { memory_mib, disk_gib: (memory_mib / 1_024 * 10).max(30) }
    }
}

/// A site's files in its bucket.
pub(super) struct SiteFiles<'a> {
    pub(super) cloud: &'a Cloud,
    pub(super) bucket: &'a str,
}

impl Files for SiteFiles<'_> {
    async fn get(&self, key: &str) -> Option<File> {
        let object = self.cloud.s3().get(self.bucket, key).await?;
        Some(File { content_type: object.content_type, etag: object.etag, body: object.body })
    }
}

/// How much of a disk a site's files take.
pub(super) async fn bytes_in(cloud: &Cloud, bucket: &str) -> u64 {
    cloud.s3().objects(bucket).await.iter().map(|object| object.size).sum()
}

/// The fingerprint of a site's files, as a host finds it in its copy of them.
pub(super) async fn fingerprint(cloud: &Cloud, bucket: &str) -> String {
    let objects = cloud.s3().objects(bucket).await;
    let listing = content::listing(objects.iter().map(|object| (object.key.as_str(), object.etag.as_str())));
    hex::encode(digest::digest(&digest::SHA256, listing.as_bytes()))
}
