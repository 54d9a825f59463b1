//! What a host's container is made of.

use std::net::Ipv4Addr;

use testcontainers::bollard::models::HostConfig;
use testcontainers::core::Mount;
use testcontainers::{ContainerRequest, GenericImage, ImageExt};

use super::container::Common;
use super::image::{PROGRAM, REPOSITORY};
use super::labels::{self, Part};
use crate::plan::{Bytes, Cpus};
use crate::runtime::home::Home;
use crate::system::Launch;

/// Where the host's home is inside.
const HOME: &str = "/host";

/// Where the host's disk is inside.
pub const DISK_INSIDE: &str = "/host/disk";

/// What is asked of the engine at the first start of a host.
pub fn request(
    common: &Common,
    home: &Home,
    address: Ipv4Addr,
    launch: &Launch,
) -> ContainerRequest<GenericImage> {
    let Common {
        run, plan, limits, ..
    } = common;
    let name = &home.id().0;
    let mut words = vec![
        "inside".to_owned(),
        "host".to_owned(),
        "--address".to_owned(),
    ];
    words.extend([address.to_string(), "--".to_owned(), PROGRAM.to_owned()]);
    let arguments = launch.arguments.iter();
    words.extend(arguments.map(|word| word.to_string_lossy().into_owned()));
    let mut hosts_labels = labels::of(run, Part::Host, plan);
    hosts_labels.insert(labels::HOST.to_owned(), name.clone());
    let (memory, cpus) = (limits.memory, limits.cpus);
    let home = home.path().display().to_string();
    let request = GenericImage::new(REPOSITORY, &common.image.tag)
        .with_entrypoint(PROGRAM)
        .with_cmd(words)
        .with_container_name(format!("harness-{}-{name}", run.short()))
        .with_network("none")
        .with_labels(hosts_labels)
        .with_mount(Mount::bind_mount(home, HOME))
        .with_working_dir(HOME)
        .with_user(&common.user)
        .with_userns_mode("host")
        .with_cap_drop("ALL")
        .with_security_opt("label=disable")
        .with_security_opt("no-new-privileges")
        .with_host_config_modifier(move |host| limit(host, memory, cpus));
    match std::env::var("RUST_LOG") {
        Ok(filter) => request.with_env_var("RUST_LOG", filter),
        Err(_) => request,
    }
}

/// Sets the limits of the plan.
fn limit(host: &mut HostConfig, memory: Option<Bytes>, cpus: Option<Cpus>) {
    if let Some(memory) = memory {
        let bytes = i64::try_from(memory.bytes()).unwrap_or(i64::MAX);
        host.memory = Some(bytes);
        // No swapping: it would only be slow instead of out of memory.
        host.memory_swap = Some(bytes);
    }
    host.nano_cpus = cpus.map(|cpus| i64::try_from(cpus.billionths()).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_the_plan() {
        let mut host = HostConfig::default();
        limit(&mut host, None, None);
        assert_eq!((host.memory, host.nano_cpus), (None, None));
        let memory = "64MiB".parse().expect("a size");
        limit(&mut host, Some(memory), Some(Cpus(0.5)));
        assert_eq!(host.memory, Some(64 << 20));
        assert_eq!(host.nano_cpus, Some(500_000_000));
    }
}
