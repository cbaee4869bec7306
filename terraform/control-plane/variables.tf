variable "name" {
  description = "Begins the name of everything; two deployments of one account need two names."
  type        = string
  default     = "porpoise"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,23}[a-z0-9]$", var.name))
    error_message = "The name has 2 to 25 lower-case letters, digits and dashes, and begins with a letter."
  }
}

variable "home_region" {
  description = "The region of the control plane."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2,4}(-[a-z]+)+-[0-9]$", var.home_region))
    error_message = "The home region is no region, such as eu-central-1."
  }
}

variable "data_regions" {
  description = "The regions where jobs run. The home region is one only if it is named here."
  type        = set(string)

  validation {
    condition     = length(var.data_regions) > 0
    error_message = "Jobs need a data region; it may be the home region."
  }

  validation {
    condition     = alltrue([for region in var.data_regions : can(regex("^[a-z]{2,4}(-[a-z]+)+-[0-9]$", region))])
    error_message = "A data region is no region, such as eu-central-1."
  }
}

variable "functions" {
  description = "The folder that holds NAME/bootstrap.zip for each function, as `cargo xtask functions` fills it."
  type        = string
}

variable "architecture" {
  description = "The processors that the zips are built for."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "The architecture is arm64 or x86_64."
  }
}

variable "log_retention_days" {
  description = "How long the logs of the functions are kept."
  type        = number
  default     = 30
}

variable "reserve_concurrency" {
  description = "Whether api and stepper keep concurrency for themselves. New accounts have none to reserve from."
  type        = bool
  default     = true
}

variable "templates" {
  description = "The synthesised templates: those of this module, or your own (settings with `artefacts` = `parameters`)."
  type = object({
    home  = string
    place = string
  })
  default = null
}

variable "tags" {
  description = "Tags of everything, which the stacks hand on to what they make."
  type        = map(string)
  default     = {}
}
