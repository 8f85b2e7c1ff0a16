"""A BitTorrent client, made of libtorrent, that finds peers by its tracker alone.

    libtorrent_client.py TORRENT FOLDER INTERFACE

Seeds the torrent when FOLDER holds its file, and fetches it otherwise. Listens on INTERFACE, where
`127.0.0.1:0` is any free port. Trusts the certificates that SSL_CERT_FILE names. Tells on stdout
what happens. Takes leave of the tracker on SIGINT, and ends when it is killed, when its parent is
gone, or after PATIENCE.
"""

import os
import signal
import sys
import time

try:
    import libtorrent as lt
except ImportError as error:
    sys.exit(f"{error}: apt-get install python3-libtorrent")

PATIENCE = 90  # seconds; longer than any test waits

NEWS = lt.alert.category_t
SETTINGS = {
    "alert_mask": NEWS.error_notification
    | NEWS.status_notification
    | NEWS.tracker_notification
    | NEWS.connect_notification,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_natpmp": False,
    "enable_upnp": False,
    # aria2 knows no uTP, and a vain attempt costs four seconds.
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    # Peers on loopback differ by their ports alone.
    "allow_multiple_connections_per_ip": True,
    "validate_https_trackers": True,
}
OFF = lt.torrent_flags.auto_managed | lt.torrent_flags.paused
ON = (
    lt.torrent_flags.disable_dht
    | lt.torrent_flags.disable_lsd
    | lt.torrent_flags.disable_pex
)


def main(torrent, folder, interface):
    parent, end = os.getppid(), time.monotonic() + PATIENCE
    interrupts = []
    signal.signal(signal.SIGINT, lambda *_: interrupts.append(True))
    session = lt.session({**SETTINGS, "listen_interfaces": interface})
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = folder
    params.flags = params.flags & ~OFF | ON
    session.add_torrent(params)
    unanswered = 0
    while os.getppid() == parent and time.monotonic() < end:
        # Not wait_for_alert: it reads the alert when the session may have moved it (a rare crash).
        time.sleep(0.02)
        for alert in session.pop_alerts():
            print(alert.what(), alert.message(), flush=True)
            unanswered += isinstance(alert, lt.tracker_announce_alert)
            unanswered -= isinstance(alert, (lt.tracker_reply_alert, lt.tracker_error_alert))
        # Paused while it waits for an answer, or merely ended, it would not say "stopped".
        if interrupts and not unanswered and not session.is_paused():
            session.pause()


main(*sys.argv[1:])
