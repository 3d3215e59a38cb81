// Included in front of ssh2's native binding when it is built (scripts/bring).
//
// Since Node 24.19, node::ObjectWrap takes a cleanup hook back in its destructor, which the garbage collector calls where no
// environment is entered: the process aborts (https://github.com/nodejs/node/issues/65446). The hook would only free what the
// end of the process frees as well, so there is none here.
#include <node.h>
#define AddEnvironmentCleanupHook(...) static_cast<void>(0)
#define RemoveEnvironmentCleanupHook(...) static_cast<void>(0)
