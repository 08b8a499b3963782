package client

import (
	"maps"
	"slices"

	"kvs/node/api"
)

// differences are the events to tell of, given one of the API. known has what has been told, nil: that is not known;
// fresh what a snapshot has brought so far.
func differences(known, fresh *map[string]string, ev api.WatchEvent) []api.WatchEvent {
	switch ev.Event {
	case EventSnapshotBegin:
		*fresh = map[string]string{}
	case EventSnapshotEnd:
		var out []api.WatchEvent
		if *fresh != nil { // otherwise its beginning has not been seen.
			for _, path := range slices.Sorted(maps.Keys(*known)) {
				if _, still := (*fresh)[path]; !still {
					out = append(out, api.WatchEvent{Event: EventDelete, Path: path, Token: ev.Token})
				}
			}
			*known, *fresh = *fresh, nil
		}
		return out
	case EventPut:
		told, there := (*known)[ev.Path]
		if *fresh != nil {
			(*fresh)[ev.Path] = ev.ETag
		} else if *known != nil {
			(*known)[ev.Path] = ev.ETag
		}
		if there && told == ev.ETag {
			return nil
		}
		return []api.WatchEvent{ev}
	case EventDelete:
		_, there := (*known)[ev.Path]
		if !there && *known != nil {
			return nil
		}
		delete(*known, ev.Path)
		return []api.WatchEvent{ev}
	}
	return nil
}
