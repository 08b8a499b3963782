// Package supervisor tells the program that has started this process how it is doing, by the protocol of systemd
// (sd_notify, man 3 sd_notify): a datagram to the socket that NOTIFY_SOCKET names. Without that variable it does
// nothing.
//
// Begin with Ready.
package supervisor

import (
	"fmt"
	"os"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready says that the node serves.
func Ready() error { return tell(daemon.SdNotifyReady) }

// Stopping says that the process has begun to end.
func Stopping() error { return tell(daemon.SdNotifyStopping) }

// Status says in one line for people what the process does.
func Status(format string, args ...any) error { return tell("STATUS=" + fmt.Sprintf(format, args...)) }

func tell(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("tell the supervisor at NOTIFY_SOCKET=%s: %w", os.Getenv("NOTIFY_SOCKET"), err)
	}
	return nil
}
