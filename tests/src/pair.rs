//! A device and a router with two wires between them.

use std::time::Duration;

use genpack_qemu::Cable;

use crate::{Guest, GuestSetup};

/// The MAC address of the device's first port; its default host name is made of the end.
const DEVICE_MAC: &str = "02:00:00:00:77:02";
/// The default host name of the device.
pub const DEVICE: &str = "lab-007702";

/// Two machines of the lab.
///
/// `eth0` of both is the first wire. On it the router is 10.77.0.1/24 and dnsmasq gives out 10.77.0.100 to .150 and the
/// router as gateway and name server. The second wire ends in the router's network namespace `far`, as `eth1`, without an
/// address. The router forwards.
pub struct Pair {
    /// The device, whose network is the agent's.
    pub device: Guest,
    /// The router, whose network is the test's: no agent runs.
    pub router: Guest,
    // The sockets of the wires are in it.
    _cables: [Cable; 2],
}

impl Pair {
    /// Starts both, each under `name` and its role, and waits until both take commands. After `lifetime` they are
    /// switched off.
    pub fn start(name: &str, lifetime: Duration) -> Pair {
        let cables = [(); 2].map(|()| Cable::new().expect("a folder for a cable"));
        let router = GuestSetup::new(&format!("{name}-router"), lifetime)
            .nic(cables[0].a(), "02:00:00:00:77:01")
            .nic(cables[1].a(), "02:00:00:00:78:01");
        let device = GuestSetup::new(&format!("{name}-device"), lifetime)
            .nic(cables[0].b(), DEVICE_MAC)
            .nic(cables[1].b(), "02:00:00:00:78:02");
        // Its agent has nothing to do until it is stopped.
        router.write_settings("[network]\r\nmethod = off\r\n");
        let (router, device) = std::thread::scope(|scope| {
            let router = scope.spawn(|| router.switch_on());
            let device = device.switch_on();
            (router.join().expect("the router starts"), device)
        });
        let pair = Pair {
            device,
            router,
            _cables: cables,
        };
        pair.router.run(
            "set -e
            systemctl mask --runtime --now --quiet genpack-config-agent
            ip netns add far
            ip link set eth1 netns far
            ip -n far link set eth1 up
            ip addr flush dev eth0
            ip addr add 10.77.0.1/24 dev eth0
            ip link set eth0 up
            ip route add 224.0.0.0/4 dev eth0
            sysctl --quiet net.ipv4.ip_forward=1",
        );
        pair.serve("eth0", "--dhcp-range=10.77.0.100,10.77.0.150,300");
        pair
    }

    /// Starts dnsmasq on a link of the router. What it says is in the router's `/run/dnsmasq-LINK.log`.
    pub fn serve(&self, link: &str, range: &str) {
        self.router.run(&format!(
            "dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --interface={link} --except-interface=lo \
             --bind-interfaces --no-ping --user=root --log-dhcp --log-facility=/run/dnsmasq-{link}.log \
             --dhcp-leasefile=/run/dnsmasq-{link}.leases --pid-file=/run/dnsmasq-{link}.pid {range}"
        ));
    }
}
