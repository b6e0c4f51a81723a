//go:build !linux

package sock

import "net"

var listenConfig = net.ListenConfig{KeepAliveConfig: keepAlive}
