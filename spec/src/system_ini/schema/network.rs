//! Ports, wireless networks, and what is made of ports.

use super::{Fallback, Feature, Key, Keys, Kind, List, PLAIN, Sample, Section, SubjectKind, choice};

pub(super) const NETWORK: Section<'static> = Section {
    name: "network",
    subject: SubjectKind::Port,
    help: "The network cable. Without any setting here the device gets its address automatically (DHCP), which is \
           right for most networks. [network] means every network port; [network eth1] means the port of that name and \
           [network 52:54:00:12:34:56] the port with that hardware (MAC) address.",
    keys: Keys::Fixed(&[NETWORK_KEYS]),
    feature: None,
};

pub(super) const NETWORK_KEYS: &[Key<'static>] = &[
    Key {
        name: "method",
        kind: Kind::Choice(&[
            choice("auto", &["automatic", "dhcp"]),
            choice("static", &["manual", "fixed"]),
            choice("off", &["no", "none", "disabled", "false", "0"]),
        ]),
        help: "How the port gets its address: auto (DHCP), static (the address below), or off (the port is not used). \
               Whoever writes an address need not write static as well.",
        example: Sample::Text("auto"),
        fallback: Fallback::Text("automatic address (DHCP)"),
        other_words: &["dhcp", "mode", "bootproto"],
        ..PLAIN
    },
    Key {
        name: "address",
        kind: Kind::InterfaceAddress,
        list: List::Words,
        help: "A fixed address for the device. The /24 behind it is the size of the network, and right for most home \
               and office networks. Instead of it, netmask may be given.",
        example: Sample::Text("192.168.1.30/24"),
        fallback: Fallback::Text("automatic address (DHCP)"),
        other_words: &["ip", "ipaddress", "ipv4", "ip4", "ip6"],
        ..PLAIN
    },
    Key {
        name: "netmask",
        kind: Kind::Netmask,
        help: "The size of the network, when the address has no /24 behind it.",
        example: Sample::Text("255.255.255.0"),
        fallback: Fallback::Text("none"),
        other_words: &["mask", "subnet", "subnetmask", "prefix"],
        ..PLAIN
    },
    Key {
        name: "gateway",
        kind: Kind::HostAddress,
        list: List::Words,
        help: "The address of the router that leads to the internet. It is in the same network as address.",
        example: Sample::Text("192.168.1.1"),
        fallback: Fallback::Text("no gateway"),
        other_words: &["router", "default_gateway", "gw", "route"],
        ..PLAIN
    },
    Key {
        name: "dns",
        kind: Kind::HostAddress,
        list: List::Words,
        help: "Name servers, which find the addresses of names such as example.com. Often the router is one.",
        example: Sample::Text("192.168.1.1, 9.9.9.9"),
        fallback: Fallback::Text("the name servers that the network gives"),
        other_words: &["nameserver", "nameservers", "dns_server", "name_server"],
        ..PLAIN
    },
    Key {
        name: "search",
        kind: Kind::Domain,
        list: List::Words,
        help: "Domains in which short names are looked up.",
        example: Sample::Text("example.com"),
        fallback: Fallback::Text("the domains that the network gives"),
        other_words: &["domain", "domains", "search_domain", "dns_search"],
        feature: Some(Feature::NetworkDetails),
        ..PLAIN
    },
    Key {
        name: "mtu",
        // Kernel: include/uapi/linux/if_ether.h has the smallest (68, RFC 791); jumbo frames end well below 65535.
        kind: Kind::Number { min: 68, max: 65535 },
        help: "The longest packet in bytes; only for networks whose administrator asks for it.",
        example: Sample::Text("1500"),
        fallback: Fallback::Text("the port's own"),
        feature: Some(Feature::NetworkDetails),
        ..PLAIN
    },
    Key {
        name: "mac",
        kind: Kind::Mac,
        help: "The hardware address that the port shows instead of its own.",
        example: Sample::Text("52:54:00:12:34:56"),
        fallback: Fallback::Text("the port's own"),
        other_words: &["mac_address", "hwaddr", "hwaddress"],
        feature: Some(Feature::NetworkDetails),
        ..PLAIN
    },
    Key {
        name: "ipv6",
        kind: Kind::Choice(&[
            choice("auto", &["on", "yes", "true", "1", "enabled", "automatic"]),
            choice("off", &["no", "false", "0", "disabled", "none"]),
        ]),
        help: "Whether IPv6 is used: auto or off.",
        example: Sample::Text("auto"),
        fallback: Fallback::Text("auto"),
        feature: Some(Feature::NetworkDetails),
        ..PLAIN
    },
    Key {
        name: "fallback",
        help: "Whether the device keeps an address by which it can be reached when the one above is wrong.",
        example: Sample::Text("on"),
        fallback: Fallback::Text("on"),
        other_words: &["rescue", "rescue_address"],
        feature: Some(Feature::NetworkDetails),
        ..PLAIN
    },
];

pub(super) const WIFI: Section<'static> = Section {
    name: "wifi",
    subject: SubjectKind::Label,
    help: "A wireless network. For several networks write several sections, [wifi home] and [wifi office]. Every \
           setting of [network] can stand here too.",
    keys: Keys::Fixed(&[
        &[
            Key {
                name: "ssid",
                // IEEE 802.11-2020, 9.4.2.2.
                kind: Kind::Text { max: 32 },
                help: "The name of the wireless network, with upper and lower case as it is.",
                example: Sample::Text("My Home"),
                fallback: Fallback::Text("no wireless network"),
                other_words: &["name", "network", "essid"],
                ..PLAIN
            },
            Key {
                name: "password",
                kind: Kind::WifiPassword,
                help: "Its password. A network without a line password is open to everybody.",
                example: Sample::Text("the password of the network"),
                fallback: Fallback::Text("no wireless network"),
                secret: true,
                aliases: &["psk", "key", "passphrase"],
                other_words: &["pass", "pw", "wpa_key", "pre_shared_key"],
                ..PLAIN
            },
            Key {
                name: "country",
                kind: Kind::Country,
                help: "The country in which the device stands: radio rules differ.",
                example: Sample::Text("DE"),
                fallback: Fallback::Text("the channels that are allowed everywhere"),
                other_words: &["region", "regdom", "country_code"],
                ..PLAIN
            },
            Key {
                name: "hidden",
                help: "Whether the network does not announce its name.",
                example: Sample::Text("off"),
                fallback: Fallback::Text("off"),
                other_words: &["hide", "scan_ssid"],
                ..PLAIN
            },
            Key {
                name: "security",
                kind: Kind::Choice(&[
                    choice("auto", &["automatic", "wpa", "wpa2/wpa3", "personal"]),
                    choice("open", &["none", "no"]),
                    choice("wpa2", &["wpa2-psk", "wpa2-personal"]),
                    choice("wpa3", &["wpa3-sae", "sae", "wpa3-personal"]),
                    choice(
                        "enterprise",
                        &["wpa2-enterprise", "wpa3-enterprise", "eap", "802.1x", "wpa-eap"],
                    ),
                ]),
                help: "How the network is protected: auto, open, wpa2, wpa3, or enterprise (with identity and password).",
                example: Sample::Text("auto"),
                fallback: Fallback::Text("auto"),
                other_words: &["encryption", "key_mgmt", "auth"],
                ..PLAIN
            },
            Key {
                name: "identity",
                kind: Kind::Text { max: 253 },
                help: "The user name of an enterprise network.",
                example: Sample::Text("anna@example.com"),
                fallback: Fallback::Text("none"),
                other_words: &["user", "username", "login"],
                ..PLAIN
            },
            Key {
                name: "priority",
                kind: Kind::Number { min: -999, max: 999 },
                help: "Of several networks in reach, the one with the highest number is used.",
                example: Sample::Text("10"),
                fallback: Fallback::Value(Sample::Text("0")),
                ..PLAIN
            },
            Key {
                name: "wpa3",
                legacy: true,
                fallback: Fallback::Text("auto"),
                ..PLAIN
            },
        ],
        NETWORK_KEYS,
    ]),
    feature: Some(Feature::Wifi),
};

pub(super) const VLAN: Section<'static> = Section {
    name: "vlan",
    subject: SubjectKind::Interface,
    help: "A virtual network (VLAN) on a port, with a name for it behind vlan. Every setting of [network] can stand \
           here too.",
    keys: Keys::Fixed(&[
        &[
            Key {
                name: "parent",
                kind: Kind::Interface,
                help: "The port that carries it.",
                example: Sample::Text("eth0"),
                fallback: Fallback::Text("no VLAN"),
                other_words: &["port", "device", "link", "interface"],
                ..PLAIN
            },
            Key {
                name: "id",
                // IEEE 802.1Q: 0 and 4095 are reserved.
                kind: Kind::Number { min: 1, max: 4094 },
                help: "Its number, from 1 to 4094.",
                example: Sample::Text("20"),
                fallback: Fallback::Text("no VLAN"),
                other_words: &["vlan", "vlan_id", "vid", "tag"],
                ..PLAIN
            },
        ],
        NETWORK_KEYS,
    ]),
    feature: Some(Feature::Vlan),
};

const PORTS: Key<'static> = Key {
    name: "ports",
    kind: Kind::Interface,
    list: List::Words,
    help: "The ports that it joins.",
    example: Sample::Text("eth0, eth1"),
    fallback: Fallback::Text("none"),
    aliases: &["port"],
    other_words: &["members", "slaves", "interfaces", "bridge_ports"],
    ..PLAIN
};

pub(super) const BRIDGE: Section<'static> = Section {
    name: "bridge",
    subject: SubjectKind::Interface,
    help: "Several ports as one network, like a switch, with a name for it behind bridge. Every setting of [network] \
           can stand here too.",
    keys: Keys::Fixed(&[
        &[
            PORTS,
            Key {
                name: "stp",
                help: "Whether it takes part in the spanning tree protocol.",
                example: Sample::Text("off"),
                fallback: Fallback::Text("off"),
                other_words: &["spanning_tree"],
                ..PLAIN
            },
        ],
        NETWORK_KEYS,
    ]),
    feature: Some(Feature::Bridge),
};

pub(super) const BOND: Section<'static> = Section {
    name: "bond",
    subject: SubjectKind::Interface,
    help: "Several ports as one, against broken cables or for more speed, with a name for it behind bond. Every \
           setting of [network] can stand here too.",
    keys: Keys::Fixed(&[
        &[
            PORTS,
            Key {
                name: "mode",
                kind: Kind::Choice(&[
                    choice("active-backup", &["failover", "1"]),
                    choice("802.3ad", &["lacp", "4"]),
                    choice("balance-rr", &["round-robin", "0"]),
                    choice("balance-xor", &["2"]),
                    choice("balance-tlb", &["5"]),
                    choice("balance-alb", &["6"]),
                    choice("broadcast", &["3"]),
                ]),
                help: "How the ports are used; active-backup works with every switch.",
                example: Sample::Text("active-backup"),
                fallback: Fallback::Value(Sample::Text("active-backup")),
                ..PLAIN
            },
        ],
        NETWORK_KEYS,
    ]),
    feature: Some(Feature::Bond),
};

pub(super) const WIREGUARD: Section<'static> = Section {
    name: "wireguard",
    subject: SubjectKind::Tunnel,
    help: "An encrypted tunnel (WireGuard), with a name for it behind wireguard. Further peers have sections such as \
           [wireguard wg0 peer office].",
    keys: Keys::Fixed(&[&[
        Key {
            name: "private_key",
            kind: Kind::WireguardSecretKey,
            help: "The private key of this device.",
            example: Sample::Text("(44 characters that end with =)"),
            fallback: Fallback::Text("no tunnel"),
            secret: true,
            aliases: &["privkey"],
            ..PLAIN
        },
        Key {
            name: "address",
            kind: Kind::InterfaceAddress,
            list: List::Words,
            help: "The address of this device in the tunnel.",
            example: Sample::Text("10.10.0.2/24"),
            fallback: Fallback::Text("none"),
            other_words: &["ip"],
            ..PLAIN
        },
        Key {
            name: "listen_port",
            kind: Kind::Number { min: 1, max: 65535 },
            help: "The UDP port on which the device waits for its peers.",
            example: Sample::Text("51820"),
            fallback: Fallback::Text("any port"),
            other_words: &["port"],
            ..PLAIN
        },
        Key {
            name: "peer_public_key",
            kind: Kind::WireguardPublicKey,
            help: "The public key of the other end.",
            example: Sample::Text("(44 characters that end with =)"),
            fallback: Fallback::Text("no peer"),
            aliases: &["pubkey", "public_key"],
            ..PLAIN
        },
        Key {
            name: "peer_endpoint",
            kind: Kind::Endpoint,
            help: "The other end's server and port.",
            example: Sample::Text("vpn.example.com:51820"),
            fallback: Fallback::Text("the other end has to call"),
            aliases: &["endpoint"],
            ..PLAIN
        },
        Key {
            name: "peer_allowed_ips",
            kind: Kind::IpNetwork,
            list: List::Words,
            help: "The networks behind the other end.",
            example: Sample::Text("10.10.0.0/24"),
            fallback: Fallback::Text("none"),
            aliases: &["allowed_ips"],
            ..PLAIN
        },
        Key {
            name: "peer_preshared_key",
            kind: Kind::WireguardSecretKey,
            help: "A key that both ends share, beside their own.",
            example: Sample::Text("(44 characters that end with =)"),
            // Without it the other end would refuse, and less would be protected than was meant.
            fallback: Fallback::Text("no peer"),
            secret: true,
            aliases: &["preshared_key", "psk"],
            ..PLAIN
        },
        Key {
            name: "keepalive",
            kind: Kind::Number { min: 0, max: 65535 },
            help: "Seconds between packets that keep the way through a router open; 25 is usual.",
            example: Sample::Text("25"),
            fallback: Fallback::Text("off"),
            aliases: &["persistent_keepalive", "peer_keepalive"],
            ..PLAIN
        },
    ]]),
    feature: Some(Feature::Wireguard),
};
