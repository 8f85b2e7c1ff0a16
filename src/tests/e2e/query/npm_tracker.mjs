// Runs the server of npm's bittorrent-tracker. Its own command would do, but that loads the client
// too, which needs WebRTC.
//
// usage: node npm_tracker.mjs path/to/bittorrent-tracker/server.js port
const [script, port] = process.argv.slice(2)
const { default: Server } = await import(script)
const server = new Server({ udp: true, http: true, ws: false, stats: false })
server.on('error', error => { console.error(error); process.exit(1) })
server.listen(Number(port), { http: '127.0.0.1', udp4: '127.0.0.1', udp6: '::1' })
