# A policy for conftest or OPA on what `reconciler show plan.json --format json` prints.
# The contract is schemas/plan.schema.json: every member stands, as null where it says nothing, and
# those that a later minor version adds change nothing. `not` does not catch null: compare with it.
#
#   reconciler show plan.json --format json | conftest test --policy docs/ci/policy -
package main

import rego.v1

# What is deleted for the retention policy has a ticket.
deny contains message if {
	some store in input.plan.stores
	some study in store.studies
	some series in study.series
	some deletion in series.deletions
	deletion.reason.code == "113039"
	object.get(deletion.reason, "ticket", null) == null
	message := sprintf("series %s: a deletion for the retention policy has no ticket (%s)", [series.seriesId, deletion.path])
}

# What was rejected for patient safety is archived first: it may be evidence.
deny contains message if {
	some store in input.plan.stores
	some study in store.studies
	some series in study.series
	some deletion in series.deletions
	deletion.reason.code == "113037"
	object.get(deletion, "archive", null) == null
	message := sprintf("series %s: a deletion for patient safety has no archive (%s)", [series.seriesId, deletion.path])
}

# No more than ten studies are emptied at once, whatever the files allow.
deny contains message if {
	input.summary.studies_emptied > 10
	message := sprintf("the plan empties %d studies; ten at once is the most", [input.summary.studies_emptied])
}

# Nothing is deleted from a store that is not named here.
deny contains message if {
	some store in input.plan.stores
	count(store.studies) > 0
	not store.dicomStoresId in {"archive", "demo-store"}
	message := sprintf("no plan may delete from the store %s", [store.dicomStoresId])
}
