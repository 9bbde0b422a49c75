//! Decides which addresses may be contacted without `--allow-private`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `address` belongs to the public internet.
///
/// All ranges that the IANA special-purpose registries (RFC 6890 and its updates) exclude from global routing are not
/// public: this machine, link-local addresses (including the metadata servers of clouds), private and shared networks,
/// documentation, benchmarking, multicast and reserved ranges. An IPv6 address that embeds an IPv4 address (mapped,
/// compatible, NAT64, 6to4 or Teredo) is public if that IPv4 address is.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        [0 | 10 | 127, ..] => true,
        [100, 64..=127, ..] => true, // shared by carriers, RFC 6598
        [169, 254, ..] => true,      // link-local, RFC 3927
        [172, 16..=31, ..] => true,  // private, RFC 1918
        [192, 0, 0, _] => true,      // protocol assignments, RFC 6890
        [192, 0, 2, _] => true,      // documentation, RFC 5737
        [192, 31, 196, _] => true,   // AS112
        [192, 52, 193, _] => true,   // AMT
        [192, 88, 99, _] => true,    // 6to4 relays, withdrawn
        [192, 168, ..] => true,      // private, RFC 1918
        [192, 175, 48, _] => true,   // AS112
        [198, 18..=19, ..] => true,  // benchmarking, RFC 2544
        [198, 51, 100, _] => true,   // documentation
        [203, 0, 113, _] => true,    // documentation
        [224..=255, ..] => true,     // multicast, reserved, broadcast
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(v4) = embedded_v4(address) {
        return is_public_v4(v4);
    }
    let segments = address.segments();
    let is_global_unicast = segments[0] & 0xe000 == 0x2000;
    let special = match segments {
        [0x2001, 0x0db8, ..] | [0x3fff, 0x0000..=0x0fff, ..] => true, // documentation
        [0x2001, 0x0000..=0x01ff, ..] => true,                        // protocol assignments, RFC 2928
        [0x2620, 0x004f, 0x8000, ..] => true,                         // AS112
        _ => false,
    };
    is_global_unicast && !special
}

/// The IPv4 address that is embedded in an IPv6 address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(v4(high, low)), // mapped, RFC 4291
        [0, 0, 0, 0, 0xffff, 0, high, low] => Some(v4(high, low)), // translated, RFC 2765
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(v4(high, low)), // compatible, withdrawn
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)), // NAT64, RFC 6052
        [0x2002, high, low, ..] => Some(v4(high, low)),            // 6to4, RFC 3056
        [0x2001, 0, .., high, low] => Some(v4(!high, !low)),       // Teredo client, RFC 4380
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_spelling_that_resolves_to_them() {
        for text in [
            "127.0.0.1",
            "127.8.9.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "203.0.113.9",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:0:4136:e378:8000:63bf:80ff:fffe",
            "2001:db8::1",
            "3fff:fff::1",
            "100::1",
            "fec0::1",
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert!(!is_public(address), "{text}");
        }
    }

    #[test]
    fn public_addresses_pass() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "223.1.1.1",
            "2606:4700::1111",
            "2a00:1450:4001:80b::200e",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert!(is_public(address), "{text}");
        }
    }
}
