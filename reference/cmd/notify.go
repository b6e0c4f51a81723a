package cmd

import (
	"log/slog"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready tells systemd, where it waits for that (Type=notify), that the program has begun to serve.
func Ready(log *slog.Logger) {
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		log.Warn("systemd cannot be told that the program is ready, and may end it: look at NotifyAccess of the unit, and NOTIFY_SOCKET", "error", err)
	}
}
