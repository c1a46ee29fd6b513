#include "claims/claim_answer.h"

namespace attnbench {

std::string_view to_string(Direction direction) {
  switch (direction) {
    case Direction::holds:
      return "HOLDS";
    case Direction::reversed:
      return "REVERSED";
    case Direction::outside:
      return "OUTSIDE";
    case Direction::in_part:
      return "IN PART";
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
    case Magnitude::opposite:
      return "OPPOSITE";
    case Magnitude::too_wide:
      return "TOO WIDE";
    case Magnitude::in_part:
      return "DIFFERS";
    case Magnitude::none:
      break;
  }
  return "";
}

bool ClaimPart::is_as_published() const {
  if (!spec.has_direction()) return magnitude == Magnitude::agrees;
  return direction == Direction::holds && (magnitude == Magnitude::none || magnitude == Magnitude::agrees);
}

std::string_view to_string(Form form) { return form == Form::best ? "best" : "published"; }

}  // namespace attnbench
