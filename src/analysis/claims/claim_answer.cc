#include "analysis/claims/claim_answer.h"

namespace attnbench {

std::string_view to_string(Direction direction) {
  switch (direction) {
    case Direction::holds:
      return "HOLDS";
    case Direction::reversed:
      return "REVERSED";
    case Direction::unresolved:
      return "UNRESOLVED";
    case Direction::not_tested:
      break;
  }
  return "NOT TESTED";
}

std::string_view to_string(Magnitude magnitude) {
  switch (magnitude) {
    case Magnitude::agrees:
      return "AGREES";
    case Magnitude::smaller:
      return "SMALLER";
    case Magnitude::larger:
      return "LARGER";
    case Magnitude::mixed:
      return "MIXED";
    case Magnitude::none:
      break;
  }
  return "";
}

std::string_view to_string(Form form) { return form == Form::best ? "best" : "published"; }

}  // namespace attnbench
