// What the hand-off uses of kotlinx.coroutines, doing everything at once and in place.
package kotlinx.coroutines

import kotlin.coroutines.AbstractCoroutineContextElement
import kotlin.coroutines.CoroutineContext

interface CoroutineScope

private object Scope : CoroutineScope

open class CoroutineDispatcher : AbstractCoroutineContextElement(Key) {
    companion object Key : CoroutineContext.Key<CoroutineDispatcher>

    fun limitedParallelism(parallelism: Int, name: String? = null): CoroutineDispatcher = this
}

object Dispatchers {
    val Default: CoroutineDispatcher = CoroutineDispatcher()
}

object Key : CoroutineContext.Key<NonCancellable>

object NonCancellable : AbstractCoroutineContextElement(Key)

suspend fun <T> withContext(context: CoroutineContext, block: suspend CoroutineScope.() -> T): T =
    block(Scope)
