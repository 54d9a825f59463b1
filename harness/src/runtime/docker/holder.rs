//! Who holds the fabric of a run: the harness, or a container that may do what the harness may not.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use fabric::Fabric;
use testcontainers::bollard::models::DeviceMapping;
use testcontainers::bollard::query_parameters::InspectContainerOptions;
use testcontainers::core::{Mount, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt};

use super::Setup;
use super::container::is_process_of;
use super::engine::{Engine, EngineError};
use super::image::{Image, PROGRAM, REPOSITORY};
use super::labels::{self, Part, RunId};
use super::network::Network;
use super::reaper::Reaper;
use super::remote::{self, Remote, RemoteError};
use crate::runtime::RuntimeError;

/// Who shall hold the fabric: `harness` or `container`. By default the harness where it can.
const FABRIC_HOLDER: &str = "HARNESS_FABRIC";

/// What it takes to enter other containers' network namespaces and to make devices there. Not
/// all that `--privileged` gives, which some engines are themselves not allowed to give.
const FABRIC_CAPABILITIES: [&str; 3] = ["SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN"];

/// The driver's node.
const TUN: &str = "/dev/net/tun";

/// Where the fabric's socket is inside the container that holds it.
const FABRIC_FOLDER: &str = "/fabric";

/// What the container that holds the fabric says when it listens.
pub const LISTENS: &str = "listens";

/// The fabric, held by this process where it can, else by a container.
pub async fn network_of(
    engine: &Engine,
    image: &Image,
    run: &RunId,
    reaper: &Reaper,
    setup: &Setup<'_>,
) -> Result<Network, RuntimeError> {
    let named = std::env::var(FABRIC_HOLDER).unwrap_or_default();
    let own = match named.as_str() {
        "" => can_hold_the_fabric(engine, reaper).await?,
        "harness" => true,
        "container" => false,
        other => {
            return Err(RuntimeError::Unsupported {
                what: format!("{FABRIC_HOLDER}={other} is neither `harness` nor `container`"),
                remedy: "unset it to let the harness choose".into(),
            });
        }
    };
    if own {
        let fabric = Fabric::start(setup.seed, setup.inventory.len())?;
        return Ok(Network::Own(fabric));
    }
    Ok(Network::Remote(
        hold_elsewhere(engine, image, run, setup).await?,
    ))
}

/// True where this process is root on the engine's kernel and sees its processes.
async fn can_hold_the_fabric(engine: &Engine, reaper: &Reaper) -> Result<bool, EngineError> {
    let inspected = engine
        .docker()
        .inspect_container(reaper.id(), None::<InspectContainerOptions>);
    let inspected = engine.ask("describe the reaper", inspected).await?;
    let pid = inspected.state.and_then(|state| state.pid).unwrap_or(0);
    let pid = u32::try_from(pid).unwrap_or(0);
    Ok(nix::unistd::geteuid().is_root() && is_process_of(pid, reaper.id()))
}

/// Starts the container that holds the fabric, and connects to it.
async fn hold_elsewhere(
    engine: &Engine,
    image: &Image,
    run: &RunId,
    setup: &Setup<'_>,
) -> Result<Remote, RuntimeError> {
    let folder = fabric_folder(setup.hosts);
    let trouble = |source| RuntimeError::Folder {
        path: folder.display().to_string(),
        source,
    };
    make_private_folder(&folder).map_err(trouble)?;
    let user = nix::unistd::geteuid().to_string();
    let (hosts, seed) = (setup.inventory.len().to_string(), setup.seed.to_string());
    let socket = format!("{FABRIC_FOLDER}/{}", remote::SOCKET);
    let words = ["inside", "fabric", "--socket", &socket, "--user", &user];
    let words = words
        .into_iter()
        .chain(["--hosts", &hosts, "--seed", &seed]);
    let request = GenericImage::new(REPOSITORY, &image.tag)
        .with_entrypoint(PROGRAM)
        .with_wait_for(WaitFor::message_on_stdout(LISTENS))
        .with_cmd(words)
        .with_container_name(format!("harness-{}-fabric", run.short()))
        .with_network("none")
        .with_labels(labels::of(run, Part::Fabric, setup.plan))
        .with_mount(Mount::bind_mount(
            folder.display().to_string(),
            FABRIC_FOLDER,
        ))
        .with_user("0:0")
        .with_userns_mode("host")
        .with_security_opt("label=disable")
        .with_security_opt("apparmor=unconfined")
        .with_host_config_modifier(|host| {
            host.pid_mode = Some("host".to_owned());
            host.cap_add = Some(FABRIC_CAPABILITIES.map(str::to_owned).to_vec());
            host.devices = Some(vec![DeviceMapping {
                path_on_host: Some(TUN.to_owned()),
                path_in_container: Some(TUN.to_owned()),
                cgroup_permissions: Some("rwm".to_owned()),
            }]);
        });
    let started = engine
        .ask("start the network's container", request.start())
        .await?;
    // Its destructor would wait for the engine; the run removes what carries its label.
    std::mem::forget(started);
    let open = std::fs::File::open(&folder).map_err(trouble)?;
    // Through the descriptor the path is short enough for a socket.
    let near = format!("/proc/self/fd/{}/{}", open.as_raw_fd(), remote::SOCKET);
    Ok(Remote::connect(Path::new(&near)).map_err(RemoteError::Gone)?)
}

/// Where the socket of a container that holds the fabric is: beside the hosts' homes.
pub fn fabric_folder(hosts: &Path) -> PathBuf {
    hosts.with_file_name("network")
}

fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}
