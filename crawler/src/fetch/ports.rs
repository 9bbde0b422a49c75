//! Ports that belong to other protocols. A server may name any port, and a request to a mail server or a database on it
//! would be ours.

/// The bad ports of the Fetch standard, section 2.9, in order.
const BAD_PORTS: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103,
    104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514,
    515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723,
    2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/// Ports of databases, caches, desktops and container engines, in order. Some of them answer HTTP and obey it.
const SERVICE_PORTS: [u16; 13] =
    [445, 1433, 2375, 2376, 3306, 3389, 5432, 5900, 6379, 9200, 9300, 11211, 27017];

/// Whether the port belongs to another protocol than HTTP.
pub fn is_of_another_protocol(port: u16) -> bool {
    BAD_PORTS.binary_search(&port).is_ok() || SERVICE_PORTS.binary_search(&port).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_order_and_web_ports_are_in_none() {
        assert!(BAD_PORTS.is_sorted() && SERVICE_PORTS.is_sorted());
        for port in [0, 22, 25, 6667, 10080, 2375, 5432, 27017] {
            assert!(is_of_another_protocol(port), "{port}");
        }
        for port in [80, 81, 443, 3000, 8000, 8080, 8443, 9000, 49152] {
            assert!(!is_of_another_protocol(port), "{port}");
        }
    }
}
