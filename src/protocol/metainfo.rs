//! .torrent files (BEP 3, BEP 52) and magnet links (BEP 9).
