#pragma once

namespace attnbench {

/// While this process lives the machine does not fall asleep for want of somebody at it. A wish: nothing is
/// said where it cannot be had. Done on macOS alone, whose Macs sleep by default.
void keep_awake();

}  // namespace attnbench
