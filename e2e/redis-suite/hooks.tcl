# Sent to the suite before each file.

# What the suite asks around tests is done if the server knows the command. The
# tests themselves see every error, but for blocks of settings within them.
rename r suite_r
proc r {args} {
    set caller [expr {[info level] > 1 ? [lindex [info level -1] 0] : ""}]
    if {$::cur_test ne "" && $caller ne "run_external_server_test"} {
        set reply [uplevel 1 [list suite_r {*}$args]]
        # An error raises, but not where a test reads replies as they come: it would
        # go on and wait for those that an unknown command does not have.
        if {[string match {-ERR unknown command*} $reply]} {
            error $reply
        }
        return $reply
    }
    if {[catch {uplevel 1 [list suite_r {*}$args]} reply]} {
        send_data_packet $::test_server_fd refused "$args: $reply"
        return {}
    }
    return $reply
}

# When the suite goes on after a test that raised, the connection may be in the
# middle of a transaction: the next test gets a new one.
if {$::durable} {
    rename test suite_test
    proc test {args} {
        set failed $::num_failed
        uplevel 1 [list suite_test {*}$args]
        if {$::num_failed > $failed} {
            catch {reconnect}
        }
    }
}
