{
  "targets": [
    {
      "target_name": "tcpx",
      "sources": ["addon.c", "batch.c", "guard.c", "netlink.c", "packet.c", "timer.c"],
      "defines": ["NAPI_VERSION=8", "_GNU_SOURCE"],
      "cflags_c": ["-std=c11", "-Wall", "-Wextra", "-Wno-unused-parameter"]
    },
    {
      "target_name": "tcpx-calls",
      "type": "executable",
      "sources": ["calls.c"],
      "defines": ["_GNU_SOURCE"],
      "cflags_c": ["-std=c11", "-Wall", "-Wextra"],
      "ldflags": ["-pthread"]
    }
  ]
}
