// Package console tests the web console in a real browser, headless, against real nodes. It is a module of its own, so
// that the library that drives the browser is no dependency of kvs.
//
// The browser is the chromium or Google Chrome on the PATH, or what KVS_BROWSER names. Without one the tests are
// skipped, unless KVS_REQUIRE_BROWSER is set. KVS_PROGRAM names the kvs to test; without it the tests build it.
// Pictures of the page go to the folder KVS_CONSOLE_PICTURES, if it is set.
package console
